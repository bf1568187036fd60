import type { Clock } from "../core/clock.ts";
import type { RunRef } from "../core/id.ts";
import { deletionKey, deletionNotes, type DeletionNote } from "../core/deletion-note.ts";
import { crcText } from "../core/hash.ts";
import type { EncodedBatch } from "../core/journal-codec.ts";
import { isJsonObject, parseJson, utf8Bytes, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { AppendResult, CreateResult, PutResult, Store, StoredRecord } from "../core/store-contract.ts";
import { DataKeys, unreadable, type MasterKeys } from "./data-keys.ts";
import { isSealed, seal, unseal } from "./sealing.ts";

/** Begins every sealed text. No line of a journal, and no record of a store that was always encrypted, begins so. */
const MARK = "~1 ";
const SEALED_LINE = `{"sealed":"${MARK}`;

export interface EncryptedOptions {
  readonly keys: MasterKeys;
  /** For tests. Default: the machine's. */
  readonly clock?: Pick<Clock, "monotonicMs">;
}

export interface EncryptedStore extends Store {
  /**
   * Deletes a tenant's data key, and then its runs, blobs and records. From the first moment on nothing of it can be read,
   * also not in a backup without the record of the key; another process holds the key for a minute at most. Repeat it when
   * it was interrupted.
   */
  shred(tenant: string): Promise<void>;
  /** After a new master key: wraps all data keys with it. No data is rewritten. @returns how many were changed */
  rewrap(): Promise<number>;
}

/**
 * A store whose content is encrypted with a key of each tenant: events, blobs, values of records, and of a head its title,
 * input hash and what it says of a block. What stores index by stays plain; docs/encryption.md lists it. What was written
 * before stays as it is and is still read.
 * @throws DATA_UNREADABLE by every method that needs a key that is wrong, missing or shredded
 */
export function encrypted(store: Store, { keys, clock = performanceClock }: EncryptedOptions): EncryptedStore {
  const sealed = new Sealed(new DataKeys(store, keys, () => clock.monotonicMs()));
  const own: Partial<EncryptedStore> = {
    get capabilities() {
      return { ...store.capabilities, name: `encrypted ${store.capabilities.name}`, isSealed: true };
    },
    ...runMethods(store, sealed),
    ...recordMethods(store, sealed),
    open: async () => {
      await sealed.keys.check();
      await store.open();
    },
    shred: (tenant) => shred(store, sealed.keys, tenant),
    rewrap: () => sealed.keys.rewrap(),
  };
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(own, name) ?? Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
    has: (target, name) => name in own || name in target,
  }) as EncryptedStore;
}

const performanceClock = { monotonicMs: () => performance.now() };

function runMethods(store: Store, sealed: Sealed): Partial<Store> {
  return {
    createRun: async (ref, { batch, head }) => {
      const first = { batch: await sealed.batch(ref, batch), head: await sealed.head(head) };
      return sealed.openedResult<CreateResult>(await store.createRun(ref, first));
    },
    append: async (ref, { expectedSeq, batch, head }) => {
      const append = { expectedSeq, batch: await sealed.batch(ref, batch), head: await sealed.head(head) };
      return sealed.openedResult<AppendResult>(await store.append(ref, append));
    },
    readHead: async (ref) => {
      const head = await store.readHead(ref);
      return head === null ? null : sealed.openedHead(head);
    },
    readEvents: async (ref, afterSeq, bytesMax) => {
      // a sealed line is a third longer, and no line is so short that what stands around it makes it twice as long
      const lines = await store.readEvents(ref, afterSeq, bytesMax * 2);
      return within(bytesMax, await Promise.all(lines.map((line) => sealed.openedLine(ref, line))));
    },
    list: async (...query) => {
      const page = await store.list(...query);
      return { ...page, items: await Promise.all(page.items.map((head) => sealed.openedHead(head))) };
    },
    putBlob: async (tenant, scope, hash, bytes) => {
      const key = await sealed.keys.toSeal(tenant);
      return store.putBlob(tenant, scope, hash, seal(key, [tenant, "blob", scope, hash], bytes));
    },
    getBlob: async (tenant, scope, hash) => {
      const bytes = await store.getBlob(tenant, scope, hash);
      return bytes === null || !isSealed(bytes) ? bytes : sealed.opened([tenant, "blob", scope, hash], bytes);
    },
  };
}

function recordMethods(store: Store, sealed: Sealed): Partial<Store> {
  return {
    getRecord: async (tenant, key) => {
      const record = await store.getRecord(tenant, key);
      return record === null ? null : sealed.openedRecord(tenant, record);
    },
    putRecord: async (tenant, key, value, ...rest): Promise<PutResult> => {
      const text = await sealed.text([tenant, "record", key], JSON.stringify(value));
      const result = await store.putRecord(tenant, key, text, ...rest);
      if (result.type === "ok" || result.current === null) return result;
      return { type: "conflict", current: await sealed.openedRecord(tenant, result.current) };
    },
    listRecords: async (tenant, ...query) => {
      const page = await store.listRecords(tenant, ...query);
      return { ...page, items: await Promise.all(page.items.map((record) => sealed.openedRecord(tenant, record))) };
    },
  };
}

/** Values on their way into the store and out of it. The first word of a place is its tenant, whose key is used. */
class Sealed {
  readonly keys: DataKeys;

  constructor(keys: DataKeys) {
    this.keys = keys;
  }

  async text(place: readonly string[], plain: string): Promise<string> {
    const bytes = seal(await this.keys.toSeal(place[0] ?? ""), place, plain);
    return `${MARK}${Buffer.from(bytes).toString("base64")}`;
  }

  async #openedText(place: readonly string[], text: string): Promise<string> {
    return (await this.opened(place, Buffer.from(text.slice(MARK.length), "base64"))).toString();
  }

  /** @throws DATA_UNREADABLE */
  async opened(place: readonly string[], bytes: Uint8Array): Promise<Buffer> {
    const [tenant = "", kind = "value"] = place;
    const plain = unseal(await this.keys.toOpen(tenant), place, bytes);
    if (plain === null) throw unreadable(`a ${kind} of tenant "${tenant}" was sealed with another key, or was changed`);
    return plain;
  }

  /** Of the shape of a line, with what stores may read in one: a checksum and the batch's id. */
  async batch({ tenant, runId }: RunRef, batch: EncodedBatch): Promise<EncodedBatch> {
    const seqs = `${batch.firstSeq}-${batch.lastSeq}`;
    const sealed = await this.text([tenant, "events", runId, seqs], batch.line);
    const json = JSON.stringify({ sealed, seqs, id: batch.id });
    return { ...batch, line: `${crcText(json)} ${json}` };
  }

  async openedLine({ tenant, runId }: RunRef, line: string): Promise<string> {
    if (!line.startsWith(SEALED_LINE, 9)) return line;
    const parsed = parseJson(line.slice(9));
    const { sealed, seqs } = parsed.ok && isJsonObject(parsed.value) ? parsed.value : {};
    const place = [tenant, "events", runId, typeof seqs === "string" ? seqs : ""];
    return this.#openedText(place, typeof sealed === "string" ? sealed : "");
  }

  async head(head: RunHead): Promise<RunHead> {
    const { title, inputHash, blocked } = head;
    const words = JSON.stringify([title, inputHash, blocked?.detail ?? ""]);
    const text = await this.text(placeOfHead(head), words);
    return { ...head, title: text, inputHash: "", blocked: blocked && { code: blocked.code, detail: "" } };
  }

  async openedHead(head: RunHead): Promise<RunHead> {
    if (!head.title.startsWith(MARK)) return head;
    const parsed = parseJson(await this.#openedText(placeOfHead(head), head.title));
    const words: readonly JsonValue[] = parsed.ok && Array.isArray(parsed.value) ? parsed.value : [];
    const [title, inputHash, detail] = words.map(String);
    const blocked = head.blocked && { code: head.blocked.code, detail: detail ?? "" };
    return { ...head, title: title ?? "", inputHash: inputHash ?? "", blocked };
  }

  async openedResult<R extends CreateResult | AppendResult>(result: R): Promise<R> {
    return "head" in result ? { ...result, head: await this.openedHead(result.head) } : result;
  }

  async openedRecord(tenant: string, record: StoredRecord): Promise<StoredRecord> {
    const { value } = record;
    if (typeof value !== "string" || !value.startsWith(MARK)) return record;
    const parsed = parseJson(await this.#openedText([tenant, "record", record.key], value));
    if (!parsed.ok) throw unreadable(`record "${record.key}" of tenant "${tenant}" is not JSON`);
    return { ...record, value: parsed.value };
  }
}

function placeOfHead({ tenant, runId, seq }: RunHead): readonly string[] {
  return [tenant, "head", runId, String(seq)];
}

/** The first lines, as many as fit; at least one. */
function within(bytesMax: number, lines: readonly string[]): readonly string[] {
  let bytes = 0;
  const end = lines.findIndex((line, i) => (bytes += utf8Bytes(line)) > bytesMax && i > 0);
  return end < 0 ? lines : lines.slice(0, end);
}

/** The key first: whatever comes after it may be interrupted and repeated. */
async function shred(store: Store, keys: DataKeys, tenant: string): Promise<void> {
  await keys.shred(tenant);
  let cursor: string | null = null;
  do {
    const page = await store.list(tenant, { children: true }, cursor, limits.dataKeysPerStep);
    const scopes = new Map(page.items.map(({ blobScope, updatedAt }) => [blobScope, updatedAt]));
    const notes: DeletionNote[] = [...scopes].map(([scope, endedBy]) => ({ tenant, scope, endedBy, at: 0 }));
    // a worker finishes them, if this process does not: what is left of a run whose deletion has begun is in no listing
    for (const note of notes) await store.putRecord(deletionNotes, deletionKey(note), { ...note }, {});
    for (const note of notes) {
      await store.deleteScope(tenant, note.scope);
      await store.deleteRecord(deletionNotes, deletionKey(note));
    }
    cursor = page.cursor;
  } while (cursor !== null);
  do {
    const page = await store.listRecords(tenant, "", cursor, limits.dataKeysPerStep);
    for (const { key } of page.items) await store.deleteRecord(tenant, key);
    cursor = page.cursor;
  } while (cursor !== null);
}
