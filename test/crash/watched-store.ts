import type { EncodedBatch } from "../../src/core/journal-codec.ts";
import type { RunRef } from "../../src/core/id.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { report } from "./reports.ts";

/**
 * A store that reports each acknowledged write before the engine hears of it: what the sweep has read from the pipe must
 * be in the database, whatever happens next.
 * @param during is told of every call under way
 */
export function watchedStore(store: Store, during: <T>(call: Promise<T>) => Promise<T>): Store {
  const createRun: Store["createRun"] = async (ref, first) => {
    const result = await store.createRun(ref, first);
    if (result.type === "created") acknowledged(ref, first.batch);
    return result;
  };
  const append: Store["append"] = async (ref, change) => {
    const result = await store.append(ref, change);
    if (result.type === "ok" || result.type === "mine") acknowledged(ref, change.batch);
    return result;
  };
  const putBlob: Store["putBlob"] = async (tenant, scope, hash, bytes) => {
    await store.putBlob(tenant, scope, hash, bytes);
    report({ type: "blob", scope, hash });
  };
  const watched: Partial<Store> = { createRun, append, putBlob };
  return new Proxy(store, {
    get: (target, key) => {
      const member: unknown = Reflect.get(watched, key) ?? Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args);
        return result instanceof Promise ? during(result) : result;
      };
    },
  });
}

function acknowledged({ runId }: RunRef, { firstSeq, hash }: EncodedBatch): void {
  report({ type: "acknowledged", runId, firstSeq, hash });
}
