import { Buffer } from "node:buffer";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, parseJson } from "../core/json.ts";
import type { RunHead } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { ReadEvent } from "../engine/run-events.ts";
import type { StreamDelta, StreamEnd } from "./api/events.ts";

// Frames of `text/event-stream`. They are encoded once and written to every reader as they are.

/** One journal event, encoded. */
export interface Frame {
  readonly seq: number;
  readonly bytes: Buffer;
}

export const heartbeat: Buffer = Buffer.from(": heartbeat\n\n");
export const opening: Buffer = Buffer.from("retry: 1000\n\n");

export function eventFrame(event: ReadEvent): Frame {
  const bytes = Buffer.from(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  return { seq: event.seq, bytes };
}

/** Without an id: a reader that connects again does not get it again. */
export function deltaFrame(delta: StreamDelta): Buffer {
  return Buffer.from(`event: ${delta.type}\ndata: ${JSON.stringify(delta)}\n\n`);
}

/** Its id is a place behind the last event: whoever has it needs no more. */
export function endFrame(end: StreamEnd): Buffer {
  return Buffer.from(`id: ${end.seq}-end\nevent: end\ndata: ${JSON.stringify(end)}\n\n`);
}

export function errorFrame(problem: object): Buffer {
  return Buffer.from(`event: error\ndata: ${JSON.stringify(problem)}\n\n`);
}

/** @returns null for what is no live delta */
export function deltaOf(message: string): StreamDelta | null {
  const parsed = parseJson(message);
  if (!parsed.ok || !isJsonObject(parsed.value)) return null;
  const { callId, attempt, fence, i, part } = parsed.value;
  if (typeof callId !== "string" || !isJsonObject(part)) return null;
  if (typeof attempt !== "number" || typeof fence !== "number" || typeof i !== "number") return null;
  const { type, text } = part;
  if (typeof text !== "string" || !isDeltaType(type)) return null;
  return { type, callId, attempt, fence, i, text };
}

function isDeltaType(type: unknown): type is StreamDelta["type"] {
  return type === "text.delta" || type === "reasoning.delta" || type === "tool-input.delta";
}

/** `ended`: the reader has all there will ever be. */
export type StreamStart = { readonly type: "after"; readonly seq: number } | { readonly type: "ended" };

/**
 * Where a reader goes on.
 * @param lastEventId the header, as it came
 * @param after the query, for a first connection of a reader that can set no header
 * @throws LAST_EVENT_ID_INVALID for anything but a seq of this journal, or the id of its `end`
 */
export function streamStart(head: RunHead, lastEventId: string | undefined, after: number | undefined): StreamStart {
  const given = lastEventId ?? String(after ?? 0);
  const found = /^(0|[1-9][0-9]{0,15})(-end)?$/.exec(given);
  const seq = Number(found?.[1] ?? Number.NaN);
  if (!(seq <= head.seq)) throw badPlace(head, given);
  if (found?.[2] === undefined) return { type: "after", seq };
  if (seq === head.seq && isEnd(head.status)) return { type: "ended" };
  throw badPlace(head, given);
}

function badPlace(head: RunHead, given: string): PawlError {
  return new PawlError(
    "LAST_EVENT_ID_INVALID",
    `Last-Event-ID is "${given.slice(0, 40).toWellFormed()}"; the events of this run are 1 to ${head.seq}. Send the id of the last event you have, or none to begin at the first.`,
  );
}
