import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Caller } from "./caller.ts";

interface OpenStream {
  readonly caller: Caller;
  readonly close: (why: string) => void;
}

/** Long answers that are open now: counted, bounded by tenant and in all, and closed when their credential ends. */
export class OpenStreams {
  readonly #open = new Set<OpenStream>();
  readonly #perTenant = new Map<string, number>();
  #isClosed = false;

  get size(): number {
    return this.#open.size;
  }

  /** Credentials that have a stream open, each once: of one user's tokens each end. */
  get callers(): readonly Caller[] {
    const byCredential = new Map<string, Caller>();
    for (const { caller } of this.#open) byCredential.set(`${caller.credential} ${caller.expiresAt ?? ""}`, caller);
    return [...byCredential.values()];
  }

  /**
   * @param close ends the answer; called at most once, never after the returned function
   * @returns call it when the answer has ended by itself
   * @throws STREAMS_TOO_MANY, DRAINING
   */
  open(caller: Caller, close: (why: string) => void): () => void {
    if (this.#isClosed) throw new PawlError("DRAINING", "the gateway is shutting down. Connect again in a moment.");
    const mine = this.#perTenant.get(caller.tenant) ?? 0;
    if (mine >= limits.streamsPerTenant || this.#open.size >= limits.streamsInAll) {
      throw new PawlError(
        "STREAMS_TOO_MANY",
        `${mine} streams of this tenant are open (at most ${limits.streamsPerTenant}; ${limits.streamsInAll} in all). Close one, then try again.`,
        { details: { retryAfterMs: 5_000 } },
      );
    }
    const stream = { caller, close };
    this.#open.add(stream);
    this.#perTenant.set(caller.tenant, mine + 1);
    return () => this.#forget(stream);
  }

  /** Ends every stream of these callers. @returns how many */
  closeWhere(isMeant: (caller: Caller) => boolean, why: string): number {
    const own = [...this.#open].filter(({ caller }) => isMeant(caller));
    for (const stream of own) this.#end(stream, why);
    return own.length;
  }

  closeAll(why: string): void {
    this.#isClosed = true;
    for (const stream of this.#open) this.#end(stream, why);
  }

  #end(stream: OpenStream, why: string): void {
    this.#forget(stream);
    stream.close(why);
  }

  #forget(stream: OpenStream): void {
    if (!this.#open.delete(stream)) return;
    const { tenant } = stream.caller;
    const left = (this.#perTenant.get(tenant) ?? 1) - 1;
    if (left > 0) this.#perTenant.set(tenant, left);
    else this.#perTenant.delete(tenant);
  }
}
