import { createHash } from "node:crypto";
import {
  BaseCheckpointSaver,
  compareWritesSortKeys,
  copyCheckpoint,
  getCheckpointId,
  maxChannelVersion,
  TASKS,
  WRITES_IDX_MAP,
  writesSortKey,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  type PendingWrite,
} from "@langchain/langgraph-checkpoint";
import { PawlError } from "../core/errors.ts";
import type { Store, StoredRecord } from "../core/store-contract.ts";

export interface LangGraphSaverOptions {
  /** Whose checkpoints they are; default `default`. Tenants see nothing of each other. */
  readonly tenant?: string;
}

/** Theirs: `{ configurable: { thread_id, checkpoint_ns, checkpoint_id } }`. */
type RunnableConfig = Parameters<BaseCheckpointSaver["getTuple"]>[0];

const ROOT = "langgraph/";
const PAGE = 200;

/** A serialised value: its bytes are a blob of the thread. */
interface Kept {
  readonly type: string;
  readonly blob: string;
}
interface CheckpointRecord {
  readonly id: string;
  readonly ns: string;
  readonly thread: string;
  readonly parent: string | null;
  readonly checkpoint: Kept;
  readonly metadata: Kept;
}
interface WriteRecord {
  readonly task: string;
  readonly path: string;
  readonly index: number;
  readonly channel: string;
  readonly value: Kept;
}

/**
 * A checkpointer of LangGraph.js on any store of Pawl: `graph.compile({ checkpointer: langGraphSaver(store) })`. The store
 * is open already, and stays so. What LangGraph promises of a checkpointer holds; fences, budgets and the ledger of effects
 * are Pawl's own runs'.
 */
export function langGraphSaver(store: Store, options: LangGraphSaverOptions = {}): BaseCheckpointSaver {
  return new Saver(store, options.tenant ?? "default");
}

class Saver extends BaseCheckpointSaver {
  readonly #store: Store;
  readonly #tenant: string;

  constructor(store: Store, tenant: string) {
    super();
    this.#store = store;
    this.#tenant = tenant;
  }

  async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const { thread, ns } = placeOf(config);
    const id = getCheckpointId(config);
    if (thread === null) return undefined;
    const record =
      id === "" ? await this.#newest(thread, ns) : await this.#store.getRecord(this.#tenant, keyOf(thread, ns, id));
    return record === null
      ? undefined
      : this.#tuple(record.value as unknown as CheckpointRecord, id === "" ? null : config);
  }

  async *list(config: RunnableConfig, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { thread } = placeOf(config);
    const { checkpoint_ns: ns, checkpoint_id: only } = config.configurable ?? {};
    const before: unknown = options.before?.configurable?.["checkpoint_id"];
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for await (const { value } of this.#records(thread === null ? ROOT : `${threadKey(thread)}c/`)) {
      const record = value as unknown as CheckpointRecord;
      if (left <= 0) return;
      if (record.checkpoint === undefined || (ns !== undefined && record.ns !== ns)) continue;
      if ((only !== undefined && record.id !== only) || (typeof before === "string" && record.id >= before)) continue;
      const tuple = await this.#tuple(record, null);
      const metadata = (tuple.metadata ?? {}) as Record<string, unknown>;
      if (!Object.entries(options.filter ?? {}).every(([key, wanted]) => metadata[key] === wanted)) continue;
      left--;
      yield tuple;
    }
  }

  /** A channel's value is stored once a version: a thread's storage grows with what changed, not with its state. */
  async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const { thread, ns } = placeOf(config);
    if (thread === null) throw missing("thread_id");
    const { id, channel_values: values } = checkpoint;
    for (const [channel, version] of Object.entries(newVersions)) {
      if (!Object.hasOwn(values, channel)) continue;
      const kept = await this.#keep(thread, values[channel]);
      await this.#store.putRecord(this.#tenant, valueKey(thread, ns, channel, version), { ...kept }, {});
    }
    const record: CheckpointRecord = {
      id,
      ns,
      thread,
      parent: stringOr(config.configurable?.["checkpoint_id"], null),
      checkpoint: await this.#keep(thread, { ...copyCheckpoint(checkpoint), channel_values: {} }),
      metadata: await this.#keep(thread, metadata),
    };
    await this.#store.putRecord(this.#tenant, keyOf(thread, ns, id), { ...record } as never, {});
    return configOf(record);
  }

  async putWrites(config: RunnableConfig, writes: PendingWrite[], taskId: string, taskPath = ""): Promise<void> {
    const { thread, ns } = placeOf(config);
    const id = getCheckpointId(config);
    if (thread === null) throw missing("thread_id");
    if (id === "") throw missing("checkpoint_id");
    for (const [at, [channel, value]] of writes.entries()) {
      const index = WRITES_IDX_MAP[channel] ?? at;
      const record: WriteRecord = {
        task: taskId,
        path: taskPath,
        index,
        channel,
        value: await this.#keep(thread, value),
      };
      const key = `${writesKey(thread, ns, id)}${encodeURIComponent(taskId)}/${index}`;
      // what a task wrote is written once; its errors and interrupts replace each other
      await this.#store.putRecord(this.#tenant, key, { ...record } as never, index < 0 ? {} : { ifAbsent: true });
    }
  }

  async deleteThread(threadId: string): Promise<void> {
    for await (const { key } of this.#records(threadKey(threadId))) await this.#store.deleteRecord(this.#tenant, key);
    await this.#store.deleteScope(this.#tenant, scopeOf(threadId));
  }

  async #newest(thread: string, ns: string): Promise<StoredRecord | null> {
    const prefix = `${threadKey(thread)}c/${encodeURIComponent(ns)}/`;
    return (await this.#store.listRecords(this.#tenant, prefix, null, 1)).items[0] ?? null;
  }

  async *#records(prefix: string): AsyncGenerator<StoredRecord> {
    let cursor: string | null = null;
    do {
      const page = await this.#store.listRecords(this.#tenant, prefix, cursor, PAGE);
      yield* page.items;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  async #tuple(record: CheckpointRecord, asked: RunnableConfig | null): Promise<CheckpointTuple> {
    const { thread, ns, id, parent } = record;
    const checkpoint = (await this.#read(thread, record.checkpoint)) as Checkpoint;
    await this.#fill(thread, ns, checkpoint);
    if (checkpoint.v < 4 && parent !== null) await this.#movePendingSends(checkpoint, record, parent);
    return {
      config: asked ?? configOf(record),
      checkpoint,
      metadata: (await this.#read(thread, record.metadata)) as CheckpointMetadata,
      pendingWrites: await this.#pending(thread, ns, id),
      ...(parent !== null && { parentConfig: configOf({ ...record, id: parent }) }),
    };
  }

  async #fill(
    thread: string,
    ns: string,
    { channel_versions: versions, channel_values: values }: Checkpoint,
  ): Promise<void> {
    const read = async ([channel, version]: [string, string | number]): Promise<void> => {
      const kept = await this.#store.getRecord(this.#tenant, valueKey(thread, ns, channel, version));
      if (kept !== null) values[channel] = await this.#read(thread, kept.value as unknown as Kept);
    };
    await Promise.all(Object.entries(versions).map(read));
  }

  async #pending(thread: string, ns: string, id: string): Promise<CheckpointPendingWrite[]> {
    const writes: WriteRecord[] = [];
    for await (const { value } of this.#records(writesKey(thread, ns, id)))
      writes.push(value as unknown as WriteRecord);
    const keyed = writes.map((write) => ({ write, key: writesSortKey(write.path, write.task, write.index) }));
    keyed.sort((a, b) => compareWritesSortKeys(a.key, b.key));
    return Promise.all(
      keyed.map(async ({ write: { task, channel, value } }): Promise<CheckpointPendingWrite> => [
        task,
        channel,
        await this.#read(thread, value),
      ]),
    );
  }

  /** Until format 4 what a step sent to tasks stood in its parent's writes. */
  async #movePendingSends(checkpoint: Checkpoint, { thread, ns }: CheckpointRecord, parent: string): Promise<void> {
    const sends = (await this.#pending(thread, ns, parent)).filter(([, channel]) => channel === TASKS);
    checkpoint.channel_values[TASKS] = sends.map(([, , value]) => value);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_versions[TASKS] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }

  async #keep(thread: string, value: unknown): Promise<Kept> {
    const [type, bytes] = await this.serde.dumpsTyped(value);
    const blob = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
    await this.#store.putBlob(this.#tenant, scopeOf(thread), blob, bytes);
    return { type, blob };
  }

  async #read(thread: string, { type, blob }: Kept): Promise<unknown> {
    const bytes = await this.#store.getBlob(this.#tenant, scopeOf(thread), blob);
    if (bytes === null) {
      throw new PawlError("STORE_CORRUPT", `a value of LangGraph thread "${thread}" is gone (blob ${blob}).`);
    }
    return (await this.serde.loadsTyped(type, bytes)) as unknown;
  }
}

function placeOf({ configurable = {} }: RunnableConfig): { readonly thread: string | null; readonly ns: string } {
  return { thread: stringOr(configurable["thread_id"], null), ns: stringOr(configurable["checkpoint_ns"], "") };
}

function stringOr<T>(value: unknown, other: T): string | T {
  return typeof value === "string" && value !== "" ? value : other;
}

function configOf({ thread, ns, id }: Pick<CheckpointRecord, "thread" | "ns" | "id">): RunnableConfig {
  return { configurable: { thread_id: thread, checkpoint_ns: ns, checkpoint_id: id } };
}

function threadKey(thread: string): string {
  return `${ROOT}${encodeURIComponent(thread)}/`;
}

/** Ids rise with time; records are listed by key: with each character mirrored the newest comes first. */
function keyOf(thread: string, ns: string, id: string): string {
  const mirrored = id.replace(/[!-~]/g, (char) => String.fromCharCode(159 - char.charCodeAt(0)));
  return `${threadKey(thread)}c/${encodeURIComponent(ns)}/${mirrored}`;
}

function writesKey(thread: string, ns: string, id: string): string {
  return `${threadKey(thread)}w/${encodeURIComponent(ns)}/${encodeURIComponent(id)}/`;
}

function valueKey(thread: string, ns: string, channel: string, version: string | number): string {
  return `${threadKey(thread)}v/${encodeURIComponent(ns)}/${encodeURIComponent(channel)}/${version}`;
}

function scopeOf(thread: string): string {
  return `thread:${ROOT}${encodeURIComponent(thread)}`;
}

function missing(name: string): PawlError {
  return new PawlError(
    "OPTION_INVALID",
    `the configuration has no ${name}. Pass { configurable: { thread_id: "…" } } when you invoke the graph.`,
  );
}
