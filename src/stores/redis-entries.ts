import type { RunRef } from "../core/id.ts";
import type { RunHead } from "../core/run-head.ts";
import type { RunStatus } from "../core/run-outcome.ts";
import { digits } from "./redis-partitions.ts";

// Members of the index sets, which sort as text. Names are written as JSON, which has no NUL, so that a NUL ends them.

/** A facet begins the entries of one listing of a tenant; place and run id follow. */
export const allFacet = "a\0";
export const askFacet = "q\0";
/** Runs of a parent, the roots under null. */
export const parentFacet = (runId: string | null): string => facet("p", runId ?? "");
export const statusFacet = (status: RunStatus): string => facet("s", status);
export const threadFacet = (threadId: string): string => facet("t", threadId);
export const scopeFacet = (scope: string): string => facet("b", scope);

function facet(kind: string, value: string): string {
  return `${kind}${JSON.stringify(value)}\0`;
}

/** The facets of a run that never change. */
export function facetsOf({ parent, threadId, blobScope }: RunHead): readonly string[] {
  return [
    allFacet,
    parentFacet(parent?.runId ?? null),
    scopeFacet(blobScope),
    ...(threadId === null ? [] : [threadFacet(threadId)]),
  ];
}

/** Digits of the time in µs that begin an entry: when the server created the run. */
const PLACE_DIGITS = 16;

export function runIdOfEntry(entry: string): string {
  return entry.slice(PLACE_DIGITS);
}

export function refText({ tenant, runId }: RunRef): string {
  return JSON.stringify([tenant, runId]);
}

export function refOfText(text: string): RunRef {
  const [tenant = "", runId = ""] = JSON.parse(text) as readonly string[];
  return { tenant, runId };
}

/** Begins the due entries of a lane; the time and the run follow. */
export function lanePrefix(lane: string): string {
  return `${JSON.stringify(lane)}\0`;
}

export function dueMember(head: RunHead): string {
  return head.dueAt === null ? "" : `${lanePrefix(head.lane)}${digits(head.dueAt)}${refText(head)}`;
}

/** Time and run of a due entry, whatever its lane. */
export function dueOrder(member: string): string {
  return member.slice(member.indexOf("\0") + 1);
}

export function refOfDue(order: string): RunRef {
  return refOfText(order.slice(digits(0).length));
}

export function ownerPrefix(sessionId: string): string {
  return `${JSON.stringify(sessionId)}\0`;
}

export function ownerMember(head: RunHead): string {
  return head.session === null ? "" : `${ownerPrefix(head.session)}${refText(head)}`;
}
