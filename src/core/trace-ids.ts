import { hashJson } from "./hash.ts";
import type { RunRef } from "./id.ts";
import { rootRunIdOf } from "./id.ts";

/** A `traceparent` of W3C Trace Context, version 00. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: string;
}

const FORM = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** @returns null for anything that is no valid traceparent: a caller's mistake must not lose a trace */
export function parseTraceparent(text: string | undefined): TraceParent | null {
  const found = FORM.exec(text ?? "");
  const [, traceId = "", spanId = "", flags = ""] = found ?? [];
  if (found === null || text?.startsWith("ff") || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, flags };
}

/** Id of the trace of a run's tree: of the `traceparent` that the root was started with, else from tenant and root run. */
export function traceIdOf(ref: RunRef, traceparent: string | undefined): string {
  return parseTraceparent(traceparent)?.traceId ?? hashJson(["trace", ref.tenant, rootRunIdOf(ref.runId)]);
}

/**
 * Id of a span, the same in every reading of the journal.
 * @param key `run`, `turn:3`, `call:<callId>`, `attempt:<callId>:2` (with `:beside:<seq>` for an endpoint that was asked
 *   beside it), `ask:<callId>` (also of a question that belongs to no call), `code:<callId>:<attempt>:<n>`, or `seq:17` for
 *   what stands at one place of the journal (points, parks, waits for budget)
 */
export function spanIdOf(ref: RunRef, key: string): string {
  return hashJson(["span", ref.tenant, ref.runId, key]).slice(0, 16);
}

/** What a call hands to whatever it calls: the call's own span as the parent. */
export function traceparentOf(ref: RunRef, traceparent: string | undefined, callId: string): string {
  const flags = parseTraceparent(traceparent)?.flags ?? "01";
  return `00-${traceIdOf(ref, traceparent)}-${spanIdOf(ref, `call:${callId}`)}-${flags}`;
}
