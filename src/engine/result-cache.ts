import { isDeepStrictEqual } from "node:util";
import { hashJson } from "../core/hash.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { ToolReturned } from "../core/tool-event.ts";
import { isJsonObject, utf8Bytes, type JsonObject, type JsonValue } from "../core/json.ts";
import { joinLabels, type Label } from "../core/label.ts";
import { limits } from "../core/limits.ts";
import type { Store } from "../core/store-contract.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import type { Desk } from "./desk.ts";
import { withTimeLimit } from "./time-limit.ts";

/** A result that another call returned, with what that call took. */
export interface KeptResult {
  readonly key: string;
  readonly value: JsonValue;
  readonly label: Label | null;
  readonly ms: number;
  readonly costNanoUsd: number;
  readonly untilMs: number;
}

export interface CachedCall {
  readonly desk: Desk;
  readonly tool: ToolDefinition & { readonly cache: NonNullable<ToolDefinition["cache"]> };
  readonly args: JsonValue;
}

/** `lead`: this call makes the result that the others of its kind in this process wait for; `end` must follow, once. */
export type CachePart =
  | { readonly type: "hit"; readonly kept: KeptResult }
  | { readonly type: "lead"; readonly desk: Desk; readonly end: () => Promise<void> };

type Flights = Map<string, Promise<KeptResult | null>>;

/** Calls under way by tenant and key: what is asked twice at once is done once. */
const flightsOf = new WeakMap<Store, Flights>();

/** Finds a call's result where one is kept, or is being made; otherwise the call is the one that makes it. */
export async function partOf(call: CachedCall): Promise<CachePart> {
  const { desk, tool } = call;
  const { store, clock } = desk.deps;
  const key = keyOf(call);
  const flightKey = `${desk.ref.tenant} ${key}`;
  const flights: Flights = flightsOf.get(store) ?? new Map();
  flightsOf.set(store, flights);
  const flight = flights.get(flightKey);
  if (flight !== undefined) {
    const made = await withTimeLimit(clock, tool.timeLimitMs, desk.signal, () => flight);
    if (made.type === "value" && made.value !== null) return { type: "hit", kept: made.value };
  }
  const { promise, resolve } = Promise.withResolvers<KeptResult | null>();
  const isFirst = !flights.has(flightKey);
  if (isFirst) flights.set(flightKey, promise);
  const land = (kept: KeptResult | null): void => {
    resolve(kept);
    if (isFirst) flights.delete(flightKey);
  };
  const kept = await found(call, key);
  if (kept === null) return lead(call, key, land);
  land(kept);
  return { type: "hit", kept };
}

/** A slot of a tool: two results that fall into one take turns, so there are never more than limits.cachedResults of it. */
function recordKey(tool: string, key: string): string {
  return `result:${tool}:${Number.parseInt(key.slice(0, 8), 16) % limits.cachedResults}`;
}

function keyOf({ desk, tool, args }: CachedCall): string {
  const principal = tool.cache.per === "principal" ? desk.state().started.principal : null;
  return hashJson([tool.name, tool.version, hashJson(args), principal]);
}

async function found({ desk, tool }: CachedCall, key: string): Promise<KeptResult | null> {
  const { store, clock } = desk.deps;
  // a store that cannot say has no result: the call is made
  const record = await store.getRecord(desk.ref.tenant, recordKey(tool.name, key)).catch(() => null);
  if (record === null || !isJsonObject(record.value)) return null;
  const kept = record.value as unknown as KeptResult;
  return kept.key === key && kept.untilMs > clock.nowMs() ? kept : null;
}

function lead(call: CachedCall, key: string, land: (kept: KeptResult | null) => void): CachePart {
  let returned: ToolReturned | null = null;
  const desk: Desk = {
    ...call.desk,
    fact(callId, events) {
      returned = events.find((event) => isResult(event)) ?? null;
      call.desk.fact(callId, events);
    },
  };
  const end = async (): Promise<void> => {
    // what cannot be read back is not kept: the call itself has its result
    const kept = returned === null ? null : await keptOf(call, key, returned).catch(() => null);
    land(kept);
    if (kept !== null) await keep(call, kept);
  };
  return { type: "lead", desk, end };
}

function isResult(event: JournalEvent): event is ToolReturned {
  return event.type === "tool.returned" && event.invalid === undefined;
}

async function keptOf({ desk, tool }: CachedCall, key: string, event: ToolReturned): Promise<KeptResult> {
  const { shownRef, rawRef, ms, costNanoUsd = 0 } = event;
  const value = await desk.values.read(rawRef ?? shownRef);
  const untilMs = desk.deps.clock.nowMs() + tool.cache.ttlMs;
  return { key, value, label: shownRef.label ?? null, ms, costNanoUsd, untilMs };
}

async function keep({ desk, tool }: CachedCall, kept: KeptResult): Promise<void> {
  const value = kept as unknown as JsonObject;
  if (utf8Bytes(JSON.stringify(value)) > limits.cachedResultBytes) return;
  await desk.deps.store
    .putRecord(desk.ref.tenant, recordKey(tool.name, kept.key), value, {}, tool.cache.ttlMs)
    .catch(() => undefined);
}

/** The event of a call that was answered by what another returned: no less careful a label than that one had. */
export function asHit(event: JournalEvent, { label, ms, costNanoUsd }: KeptResult): JournalEvent {
  if (event.type !== "tool.returned") return event;
  const { costNanoUsd: _paid, costAssumed: _assumed, ...free } = event;
  const own = event.shownRef.label;
  const joined = isDeepStrictEqual(own ?? null, label) ? own : joinLabels([own, label ?? undefined]);
  const labelled = joined === undefined ? {} : { label: joined };
  return {
    ...free,
    shownRef: { ...event.shownRef, ...labelled },
    ...(event.rawRef !== undefined && { rawRef: { ...event.rawRef, ...labelled } }),
    via: "cache",
    saved: { ms, costNanoUsd },
  };
}
