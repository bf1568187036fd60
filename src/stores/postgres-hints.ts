import { createHash } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { errorText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { NotifyHub } from "./notify-hub.ts";
import type { Connection, PostgresDatabase } from "./postgres.ts";

export interface HintsOptions {
  readonly hub: NotifyHub;
  readonly db: PostgresDatabase;
  readonly clock: Clock;
}

interface Hint {
  readonly channel: string;
  readonly payload: string;
}

interface Told {
  readonly channel: string;
  readonly payload?: string | undefined;
  readonly processId: number;
}

/** PostgreSQL takes less than 8,000 bytes; a longer hint travels in two parts. */
const PAYLOAD_BYTES = 7_000;
const HINTS_PER_STATEMENT = 200;
const RETRY_MS = 100;
const RETRY_MAX_MS = 5_000;

/**
 * Hints to and from other processes, over one connection of its own (LISTEN/NOTIFY), which is made anew when it breaks.
 * What is published meanwhile reaches this process alone: hints are lossy. Its commits do not wait for the disk, since a
 * notifying commit holds up all others of the database.
 */
export class PostgresHints {
  readonly #options: HintsOptions;
  readonly #names = new Map<string, string>();
  /** Channels to begin (true) or end to listen to. */
  readonly #changes = new Map<string, boolean>();
  #waiting: Hint[] = [];
  #waitingBytes = 0;
  #client: Connection | null = null;
  #isWorking = false;
  #isOpen = false;
  #partNumber = 0;
  #partial: { readonly part: string; readonly text: string } | null = null;
  #cancelRetry: () => void = () => {};

  constructor(options: HintsOptions) {
    this.#options = options;
  }

  /** The first connection; a failure is only warned of, and tried again. */
  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#connect(RETRY_MS);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#cancelRetry();
    const client = this.#client;
    this.#client = null;
    if (client !== null) await this.#options.db.endOf(client);
  }

  publish(channel: string, message: string): void {
    if (this.#client === null || this.#waitingBytes > limits.storeUnsentHintBytes) return;
    for (const payload of this.#payloadsOf(message)) {
      const hint = { channel: this.#nameOf(channel), payload };
      this.#waiting.push(hint);
      this.#waitingBytes += bytesOf(hint);
    }
    void this.#work(this.#client);
  }

  watch(channel: string, isWanted: boolean): void {
    const name = this.#nameOf(channel);
    if (isWanted) this.#names.set(name, channel);
    else this.#names.delete(name);
    this.#changes.set(name, isWanted);
    if (this.#client !== null) void this.#work(this.#client);
  }

  async #connect(retryMs: number): Promise<void> {
    try {
      const client = await this.#options.db.connectAlone();
      client.on("notification", (one) => this.#receive(client, one));
      client.on("end", () => this.#lost(client));
      if (!this.#isOpen) {
        await this.#options.db.endOf(client);
        return;
      }
      this.#client = client;
      for (const name of this.#names.keys()) this.#changes.set(name, true);
      void this.#work(client);
    } catch (error) {
      if (retryMs === RETRY_MS) {
        process.emitWarning(`hints to other processes wait: ${errorText(error, 300)}`, "PawlWarning");
      }
      this.#retry(Math.min(RETRY_MAX_MS, retryMs * 2));
    }
  }

  #retry(delayMs: number): void {
    if (!this.#isOpen) return;
    this.#cancelRetry();
    this.#cancelRetry = this.#options.clock.setTimer(delayMs, () => void this.#connect(delayMs));
  }

  #lost(client: Connection): void {
    if (this.#client !== client) return;
    this.#client = null;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#partial = null;
    this.#retry(RETRY_MS);
  }

  /** Sends what waits, one statement after the other; what comes meanwhile goes into the next. Never rejects. */
  async #work(client: Connection): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      while (this.#client === client && (this.#changes.size > 0 || this.#waiting.length > 0)) {
        const changes = [...this.#changes].map(([name, isWanted]) => `${isWanted ? "LISTEN" : "UNLISTEN"} "${name}"`);
        this.#changes.clear();
        if (changes.length > 0) await client.query(changes.join(";"));
        const hints = this.#waiting.splice(0, HINTS_PER_STATEMENT);
        for (const hint of hints) this.#waitingBytes -= bytesOf(hint);
        if (hints.length === 0) continue;
        await client.query("SELECT pg_notify(c, p) FROM unnest($1::text[], $2::text[]) AS hint(c, p)", [
          hints.map(({ channel }) => channel),
          hints.map(({ payload }) => payload),
        ]);
      }
    } catch {
      // whatever it was, a fresh connection is in order; the hints of this statement are lost
      this.#lost(client);
      await this.#options.db.endOf(client);
    } finally {
      this.#isWorking = false;
      if (this.#client !== null && this.#client !== client) void this.#work(this.#client);
    }
  }

  /** Names of channels are hashed: PostgreSQL cuts them at 63 bytes, and other schemas may be in the same database. */
  #nameOf(channel: string): string {
    return `pawl_${createHash("sha256").update(`${this.#options.db.place.schema}\n${channel}`).digest("hex").slice(0, 32)}`;
  }

  /** `.text`, or `+number text` and `-number text` for the parts of a long one: each differs from every other. */
  #payloadsOf(message: string): readonly string[] {
    const bytes = Buffer.from(message);
    if (bytes.byteLength <= PAYLOAD_BYTES) return [`.${message}`];
    let cut = PAYLOAD_BYTES;
    while (((bytes[cut] ?? 0) & 0xc0) === 0x80) cut--;
    const part = String(++this.#partNumber);
    return [`+${part} ${bytes.toString("utf8", 0, cut)}`, `-${part} ${bytes.toString("utf8", cut)}`];
  }

  #receive(client: Connection, { channel: name, payload = "", processId }: Told): void {
    const channel = this.#names.get(name);
    // what this process published, its own receivers have heard already
    if (channel === undefined || ("processID" in client && client.processID === processId)) return;
    if (payload.startsWith(".")) return this.#options.hub.publish(channel, payload.slice(1));
    const space = payload.indexOf(" ");
    const part = `${processId} ${payload.slice(1, space)}`;
    const text = payload.slice(space + 1);
    // the parts of one statement come one after the other
    if (payload.startsWith("+")) this.#partial = { part, text };
    else if (this.#partial?.part === part) this.#options.hub.publish(channel, this.#partial.text + text);
  }
}

function bytesOf({ channel, payload }: Hint): number {
  return channel.length + payload.length;
}
