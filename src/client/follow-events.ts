import type { RunEvent, StreamDelta } from "../gateway/api/events.ts";
import { ClientError, problemOf } from "./client-error.ts";
import type { Http } from "./http.ts";
import { framesOf } from "./sse-parser.ts";

export type StreamItem = RunEvent | StreamDelta;

export interface FollowOptions {
  /** Events after this seq; default 0, all. */
  readonly lastSeq?: number;
  readonly signal?: AbortSignal;
  /** Connections that fail in a row before it gives up; default 20, about a minute and a half. */
  readonly failuresMax?: number;
  /** How to wait between connections; default: the time it says. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told of every connection that broke. */
  readonly onLost?: (error: unknown) => void;
}

const AGAIN_MS = 250;
const AGAIN_MS_MAX = 5_000;
/** The gateway says something at least every 15 s, if only that it is there. */
const SILENCE_MS = 45_000;
const FAILURES_MAX = 20;

/**
 * Events of a run, each once and in order, and live text between. A connection that breaks is opened again behind the last
 * event: nothing is lost, nothing comes twice (live text may be lost). Ends with the run, or when `signal` aborts.
 * @throws ClientError  the gateway refuses, or cannot be reached for long
 */
export async function* followEvents(
  http: Http,
  runId: string,
  options: FollowOptions = {},
): AsyncGenerator<StreamItem> {
  const { signal = new AbortController().signal, failuresMax = FAILURES_MAX, wait = waitMs, onLost } = options;
  let seq = options.lastSeq ?? 0;
  for (let failures = 0; !signal.aborted;) {
    try {
      for await (const item of oneConnection(http, { runId, seq, signal })) {
        failures = 0;
        if (item === "end") return;
        if ("seq" in item) {
          if (item.seq <= seq) continue;
          seq = item.seq;
        }
        yield item;
      }
      throw new Error("the connection ended before the run.");
    } catch (error) {
      if (signal.aborted) return;
      if (isFinal(error) || ++failures >= failuresMax) throw error;
      onLost?.(error);
      const asked = error instanceof ClientError ? (error.retryAfterMs ?? 0) : 0;
      await wait(Math.max(asked, Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** (failures - 1))), signal);
    }
  }
}

interface Place {
  readonly runId: string;
  readonly seq: number;
  readonly signal: AbortSignal;
}

async function* oneConnection(http: Http, { runId, seq, signal }: Place): AsyncGenerator<StreamItem | "end"> {
  const silence = new AbortController();
  const listen = (): ReturnType<typeof setTimeout> => setTimeout(() => silence.abort(), SILENCE_MS);
  let timer = listen();
  try {
    const response = await http.send("listEvents", {
      path: { runId },
      accept: "text/event-stream",
      headers: { "last-event-id": String(seq) },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (response.body === null) return;
    for await (const frame of framesOf(response.body)) {
      clearTimeout(timer);
      timer = listen();
      if (frame.event === "end") yield "end";
      else if (frame.event === "error") throw cutOf(frame.data);
      // the cast: what the gateway sends is what its schemas say
      else if (frame.data !== "") yield JSON.parse(frame.data) as StreamItem;
    }
  } finally {
    clearTimeout(timer);
    // a reader that stops in the middle leaves no connection open
    silence.abort();
  }
}

function cutOf(data: string): ClientError {
  const problem = problemOf(data);
  return new ClientError(problem?.status ?? 503, problem);
}

/** Refusals that stay: a wrong key, no such run, no right. */
function isFinal(error: unknown): boolean {
  return error instanceof ClientError && error.status < 500 && error.status !== 408 && error.status !== 429;
}

function waitMs(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
