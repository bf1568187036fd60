import { rootRunIdOf, type RunRef } from "../core/id.ts";
import type { EncodedBatch } from "../core/journal-codec.ts";
import { noMarks, type RunHead, type RunMarks } from "../core/run-head.ts";
import { isEnd } from "../core/run-outcome.ts";
import type { Append, AppendResult, CreateResult } from "../core/store-contract.ts";
import { asksOf, batchIdOf, checkFollows, headText, runUnknown } from "./contract-rules.ts";
import { askFacet, dueMember, facetsOf, ownerMember, refText, statusFacet } from "./redis-entries.ts";
import { keyOf, partitionOf, type RedisPartitions } from "./redis-partitions.ts";
import { APPEND, CREATE, MARK, READ_EVENTS, READ_HEAD, REMOVE } from "./redis-run-scripts.ts";

/** Runs and their journals in Redis. A run's tree shares a partition. */
export class RedisRuns {
  readonly #data: RedisPartitions;

  constructor(data: RedisPartitions) {
    this.#data = data;
  }

  async createRun(ref: RunRef, first: { readonly batch: EncodedBatch; readonly head: RunHead }): Promise<CreateResult> {
    checkFollows(ref, { expectedSeq: 0, ...first });
    const { partition, keys } = placeOf(ref);
    const args = [...writtenOf(first), ref.runId, ...facetsOf(first.head)];
    const [kind, ...parts] = await this.#data.call(CREATE, partition, keys, args);
    if (kind === "created") return { type: "created" };
    return { type: "exists", head: headOf(parts) ?? unknownRun(ref) };
  }

  async append(ref: RunRef, append: Append): Promise<AppendResult> {
    checkFollows(ref, append);
    const { partition, keys } = placeOf(ref);
    const { expectedSeq, batch } = append;
    const args = [...writtenOf(append), expectedSeq, batch.firstSeq, JSON.stringify(batch.id)];
    const [kind, ...parts] = await this.#data.call(APPEND, partition, keys, args);
    if (kind === "ok") return { type: "ok" };
    const head = kind === "unknown" ? null : headOf(parts);
    if (head === null) throw runUnknown(ref);
    const line = parts[4];
    if (typeof line === "string" && line !== "" && batchIdOf(line) === batch.id) return { type: "mine" };
    return { type: isEnd(head.status) ? "ended" : "conflict", head };
  }

  async mark(ref: RunRef, { outboxAckedSeq, indexedSeq, snapshot }: Partial<RunMarks>): Promise<void> {
    const { partition, keys } = placeOf(ref);
    const taken = snapshot ? [snapshot.seq, JSON.stringify(snapshot)] : [0, ""];
    await this.#data.call(MARK, partition, keys, [outboxAckedSeq ?? 0, indexedSeq ?? 0, ...taken, refText(ref)]);
  }

  async readHead(ref: RunRef): Promise<RunHead | null> {
    const { partition, keys } = placeOf(ref);
    const [, ...parts] = await this.#data.call(READ_HEAD, partition, keys.slice(0, 1), []);
    return headOf(parts);
  }

  async readEvents(ref: RunRef, afterSeq: number, bytesMax: number): Promise<readonly string[]> {
    const { partition, keys } = placeOf(ref);
    const [lines] = await this.#data.call(READ_EVENTS, partition, keys.slice(0, 2), [afterSeq + 1, bytesMax]);
    return lines as readonly string[];
  }

  /** Removes a run with its journal and index entries, all at once. @param entry its place and id in the listings */
  async remove(ref: RunRef, entry: string, scopeFacet: string): Promise<void> {
    const { partition, keys } = placeOf(ref);
    const head = await this.readHead(ref);
    const facets = head === null ? [scopeFacet] : facetsOf(head);
    await this.#data.call(REMOVE, partition, keys, [refText(ref), entry, ...facets]);
  }
}

function placeOf(ref: RunRef): { readonly partition: number; readonly keys: readonly string[] } {
  const partition = runPartition(ref);
  const names = [ref.tenant, ref.runId];
  const keys = [
    keyOf(partition, "run", ...names),
    keyOf(partition, "journal", ...names),
    keyOf(partition, "due"),
    keyOf(partition, "owned"),
    keyOf(partition, "dirty"),
    keyOf(partition, "list", ref.tenant),
  ];
  return { partition, keys };
}

export function runPartition({ tenant, runId }: RunRef): number {
  return partitionOf(tenant, rootRunIdOf(runId));
}

/** What each write of a run hands over, in the order of the scripts. */
function writtenOf({ batch, head }: { readonly batch: EncodedBatch; readonly head: RunHead }): readonly string[] {
  return [
    batch.line,
    String(head.seq),
    headText({ ...head, marks: noMarks }),
    isEnd(head.status) ? "1" : "0",
    String(head.outboxSeq),
    dueMember(head),
    ownerMember(head),
    statusFacet(head.status),
    asksOf(head).length > 0 ? askFacet : "",
    refText(head),
  ];
}

/** Marks stand beside the head. */
function headOf([head, acked, indexed, snapshot]: readonly unknown[]): RunHead | null {
  if (typeof head !== "string") return null;
  const marks: RunMarks = {
    outboxAckedSeq: Number(acked),
    indexedSeq: Number(indexed),
    snapshot: typeof snapshot === "string" && snapshot !== "" ? (JSON.parse(snapshot) as RunMarks["snapshot"]) : null,
  };
  return { ...(JSON.parse(head) as RunHead), marks };
}

function unknownRun(ref: RunRef): never {
  throw runUnknown(ref);
}
