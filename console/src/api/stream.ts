import { ApiError, pathWith } from "./http.ts";
import type { Problem, RunEvent, StreamDelta } from "./types.ts";

export type StreamItem =
  | { readonly type: "event"; readonly event: RunEvent }
  | { readonly type: "delta"; readonly delta: StreamDelta }
  /** `live`: connected and reading. `lost`: the connection broke, it is opened again. `end`: the run has ended. */
  | { readonly type: "state"; readonly state: "live" | "lost" | "end" };

const AGAIN_MS = [250, 500, 1_000, 2_000, 4_000];
/** The server says something every few seconds, if only that it is there. */
const SILENCE_MS = 20_000;

/**
 * A run's events after `after`, each once and in order, then live; over broken connections too: each connection begins
 * after the last event that was read, so nothing is lost and nothing comes twice.
 * @throws ApiError where the server refuses
 */
export async function* followRun(runId: string, after: number, signal: AbortSignal): AsyncGenerator<StreamItem> {
  let seq = after;
  let failures = 0;
  while (!signal.aborted) {
    try {
      for await (const frame of framesOf(runId, seq, signal)) {
        failures = 0;
        if (frame === "open") yield { type: "state", state: "live" };
        else if (frame.event === "end") {
          yield { type: "state", state: "end" };
          return;
        } else if (frame.event === "error") throw new ApiError(0, JSON.parse(frame.data) as Problem);
        else if (frame.event.endsWith(".delta")) yield { type: "delta", delta: JSON.parse(frame.data) as StreamDelta };
        else {
          const event = JSON.parse(frame.data) as RunEvent;
          seq = event.seq;
          yield { type: "event", event };
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      const isFinal = error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (isFinal) throw error;
    }
    yield { type: "state", state: "lost" };
    await pause(AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)] ?? 1_000, signal);
  }
}

interface Frame {
  readonly event: string;
  readonly data: string;
}

async function* framesOf(runId: string, after: number, signal: AbortSignal): AsyncGenerator<Frame | "open"> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await fetch(pathWith(`/runs/${encodeURIComponent(runId)}/events`), {
      headers: { accept: "text/event-stream", "last-event-id": String(after) },
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (!response.ok || response.body === null)
      throw new ApiError(response.status, (await response.json().catch(() => null)) as Problem | null);
    yield "open";
    let rest = "";
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const frame = frameOf(block);
        if (frame !== null) yield frame;
      }
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function frameOf(block: string): Frame | null {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  return data.length === 0 ? null : { event, data: data.join("\n") };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
