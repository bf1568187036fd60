import { useEffect, useState } from "react";
import { streamClient } from "../api/client.ts";
import type { RunEvent, StreamDelta } from "../api/types.ts";
import type { Entry } from "./conversation/entries.ts";
import { ConversationFold } from "./conversation/fold.ts";
import { withDelta, withoutAnswered, type LiveTexts } from "./live-text.ts";

/** How many of the newest events the conversation begins with; earlier ones are read when asked for. */
const EVENTS_AT_ONCE = 2_000;
/** What came within one frame of the screen is drawn together. */
const noTexts: LiveTexts = new Map();

export interface RunStream {
  readonly entries: readonly Entry[];
  readonly live: LiveTexts;
  /** Last event that was read. */
  readonly seq: number;
  readonly state: "connecting" | "live" | "lost" | "end";
  readonly error: unknown;
  /** Set while the conversation does not begin at the run's start. */
  readonly onEarlier: (() => void) | null;
}

interface Read {
  readonly entries: readonly Entry[];
  readonly live: LiveTexts;
  readonly seq: number;
}
const nothing: Read = { entries: [], live: noTexts, seq: 0 };

/**
 * A run's journal as a conversation, live. A reload reads it again from the journal: nothing is kept in the browser.
 * @param lastSeq of the run when the page was opened; null while it is not known
 */
export function useRunStream(runId: string, lastSeq: number | null): RunStream {
  const [after, setAfter] = useState<number | null>(null);
  const [read, setRead] = useState<Read>(nothing);
  const [state, setState] = useState<RunStream["state"]>("connecting");
  const [error, setError] = useState<unknown>(null);
  const from = after ?? (lastSeq === null ? null : Math.max(0, lastSeq - EVENTS_AT_ONCE));
  useEffect(() => {
    if (from !== null && after === null) setAfter(from);
  }, [from, after]);
  useEffect(() => {
    if (after === null) return undefined;
    const drawing = new Drawing(setRead);
    let stop = new AbortController();
    let isOver = false;
    const run = async ({ signal }: AbortController): Promise<void> => {
      try {
        const pawl = streamClient(() => setState("live"));
        const options = { lastSeq: Math.max(after, drawing.seq), signal, failuresMax: Number.POSITIVE_INFINITY };
        for await (const item of pawl.events(runId, { ...options, onLost: () => setState("lost") })) drawing.take(item);
        if (signal.aborted) return;
        isOver = true;
        setState("end");
      } catch (problem) {
        if (!signal.aborted) setError(problem);
      }
    };
    // a browser gives a host six connections over HTTP/1.1: a tab that nobody sees leaves its own to the others
    const show = (): void => {
      stop.abort();
      if (document.hidden || isOver) return;
      stop = new AbortController();
      void run(stop);
    };
    show();
    document.addEventListener("visibilitychange", show);
    return () => {
      document.removeEventListener("visibilitychange", show);
      stop.abort();
      drawing.stop();
    };
  }, [runId, after]);
  const onEarlier = after === null || after === 0 ? null : () => setAfter(Math.max(0, after - EVENTS_AT_ONCE));
  return { ...read, state, error, onEarlier };
}

/** Gathers what came until the screen is drawn next: ten thousand events are a few drawings. */
class Drawing {
  readonly #fold = new ConversationFold();
  readonly #show: (read: Read) => void;
  /** Last event that was taken. */
  get seq(): number {
    return this.#fold.seq;
  }
  #live: LiveTexts = noTexts;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(show: (read: Read) => void) {
    this.#show = show;
  }

  take(item: RunEvent | StreamDelta): void {
    if (!("seq" in item)) this.#live = withDelta(this.#live, item);
    else {
      this.#live = withoutAnswered(this.#live, item);
      this.#fold.apply(item);
    }
    // a timer and no animation frame: a tab in the background gets no frames, and must not fall behind
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#show({ entries: this.#fold.entries(), live: this.#live, seq: this.#fold.seq });
    }, 32);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}
