import type { ErrorCode } from "../core/error-table.ts";
import { errorRecord, PawlError, type ErrorRecord } from "../core/errors.ts";
import { hashText } from "../core/hash.ts";
import type { RunRef } from "../core/id.ts";
import { parseJson, utf8Bytes, type JsonValue } from "../core/json.ts";
import type { Ref, Label } from "../core/label.ts";
import { limits } from "../core/limits.ts";
import { digestOf } from "../core/run-context.ts";
import type { Store } from "../core/store-contract.ts";
import type { EngineDeps } from "./deps.ts";
import type { Cleaner } from "./redaction.ts";

type Retry = <T>(operation: () => Promise<T>) => Promise<T>;

/** A stored value with its identity. */
export interface FixedRef {
  readonly ref: Ref;
  readonly digest: string;
  /** The value as it is stored: what a model is sent. */
  readonly value: JsonValue;
}

const FIXED_MAX = 16;

/** Stores and reads the values that events name, in one run's blob scope. */
export class Values {
  readonly #store: Store;
  readonly #tenant: string;
  readonly #scope: string;
  readonly #retry: Retry;
  /** Takes secrets out of what is put; null where none is configured. */
  readonly cleaner: Cleaner | null;
  /** By identity; texts by content. */
  readonly #fixed = new Map<JsonValue, FixedRef>();

  /** @param retry repeats an operation while the store cannot be reached; default once */
  constructor(
    { store, redaction }: Pick<EngineDeps, "store" | "redaction">,
    ref: RunRef,
    scope: string,
    retry: Retry = (operation) => operation(),
  ) {
    this.#retry = retry;
    this.#store = store;
    this.#tenant = ref.tenant;
    this.#scope = scope;
    this.cleaner = redaction?.of(ref.tenant) ?? null;
  }

  /** A value as `put` stores it: what is hashed, cut or shown is made of this. */
  clean<T extends JsonValue>(value: T): T {
    return this.cleaner === null ? value : this.cleaner.json(value);
  }

  /** What was thrown, as it is recorded. */
  error(thrown: unknown, fallback: ErrorCode): ErrorRecord {
    return this.cleaner === null ? errorRecord(thrown, fallback) : this.cleaner.thrown(thrown, fallback);
  }

  /** As `put`, for a message or a list of them. */
  putMessages(value: JsonValue, label?: Label, inlineBytes?: number): Promise<Ref> {
    return this.#write(this.cleaner?.messages(value) ?? value, label, inlineBytes);
  }

  /** As `put`, for what names and numbers things: an agent's definition. */
  putStructure(value: JsonValue, label?: Label): Promise<Ref> {
    return this.#write(this.cleaner?.structure(value) ?? value, label);
  }

  /**
   * A ref to a value: inline up to 16 KiB, or what `inlineBytes` says; above, the blob is durable when this resolves.
   * @throws EVENT_TOO_LARGE over limits.blobBytes
   */
  put(value: JsonValue, label?: Label, inlineBytes?: number): Promise<Ref> {
    return this.#write(this.clean(value), label, inlineBytes);
  }

  async #write(value: JsonValue, label?: Label, inlineBytes: number = limits.inlineBytes): Promise<Ref> {
    const text = JSON.stringify(value);
    const bytes = text.length * 3 <= inlineBytes ? text.length : utf8Bytes(text);
    const redacted = this.cleaner?.takeCounts(value);
    const labelled = { ...(label !== undefined && { label }), ...(redacted !== undefined && { redacted }) };
    if (bytes <= inlineBytes) return { inline: value, ...labelled };
    if (bytes > limits.blobBytes) {
      throw new PawlError(
        "EVENT_TOO_LARGE",
        `a value of ${bytes} bytes is over the limit of ${limits.blobBytes}. Return less, or a reference to it.`,
      );
    }
    const hash = hashText(text);
    await this.#retry(() => this.#store.putBlob(this.#tenant, this.#scope, hash, new TextEncoder().encode(text)));
    return { blob: hash, bytes, ...labelled };
  }

  /** As `put`, for a value that is the same in request after request: stored, and hashed, once. */
  async putFixed(value: JsonValue, label: Label): Promise<FixedRef> {
    const known = this.#fixed.get(value);
    if (known !== undefined) return known;
    const clean = typeof value === "string" ? this.clean(value) : (this.cleaner?.structure(value) ?? value);
    const ref = await this.#write(clean, label);
    const fixed = { ref, digest: digestOf(ref), value: clean };
    if (this.#fixed.size >= FIXED_MAX) this.#fixed.clear();
    this.#fixed.set(value, fixed);
    return fixed;
  }

  /** A blob's bytes as they are stored; null where it is gone. */
  readBytes(hash: string): Promise<Uint8Array | null> {
    return this.#retry(() => this.#store.getBlob(this.#tenant, this.#scope, hash));
  }

  /** @throws BLOB_MISSING, JOURNAL_CORRUPT */
  async read(ref: Ref): Promise<JsonValue> {
    if ("inline" in ref) return ref.inline;
    const bytes = await this.readBytes(ref.blob);
    if (bytes === null)
      throw new PawlError("BLOB_MISSING", `blob "${ref.blob}" of scope "${this.#scope}" is not in the store.`);
    const text = new TextDecoder().decode(bytes);
    const parsed = parseJson(text);
    if (!parsed.ok || hashText(text) !== ref.blob) {
      throw new PawlError("JOURNAL_CORRUPT", `blob "${ref.blob}" of scope "${this.#scope}" is damaged.`);
    }
    return parsed.value;
  }
}
