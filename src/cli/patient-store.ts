import { setTimeout as sleep } from "node:timers/promises";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import type { Store } from "../core/store-contract.ts";

/** Operations that may be asked again when their answer was lost: reads, and writes that the contract lets repeat. */
const repeatable: readonly (keyof Store)[] = [
  "createRun",
  "append",
  "mark",
  "readHead",
  "readEvents",
  "due",
  "ofSession",
  "list",
  "openApprovals",
  "putBlob",
  "getBlob",
  "session",
  "listSessions",
  "getRecord",
  "listRecords",
];

const PAUSE_MS = 50;

/**
 * A store for a person's terminal: when the process that held the database ends in the middle of a question, as another
 * terminal does, the question goes to the next one. An outage of some seconds is still an error.
 * @param onFailure  told of every error of the store itself (a full disk, a file that was replaced): the engine waits in
 *   silence until it passes, a person does not
 */
export function patientStore(store: Store, onFailure: (error: PawlError) => void): Store {
  return new Proxy(store, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      const method = member.bind(target) as (...args: readonly unknown[]) => unknown;
      const isRepeatable = repeatable.some((name) => name === key);
      return (...args: readonly unknown[]) => {
        const answer = isRepeatable ? patiently(() => method(...args)) : method(...args);
        if (answer instanceof Promise)
          answer.catch((error: unknown) => isFailure(error, isRepeatable) && onFailure(error));
        return answer;
      };
    },
  });
}

/** True where waiting does not help: an answer that was lost once is no failure yet. */
function isFailure(error: unknown, wasRepeated: boolean): error is PawlError {
  if (!PawlError.is(error) || !error.code.startsWith("STORE_") || error.code === "STORE_CLOSED") return false;
  return error.code !== "STORE_UNREACHABLE" || wasRepeated;
}

async function patiently(operation: () => unknown): Promise<unknown> {
  const untilMs = performance.now() + limits.storeLockMs;
  for (;;) {
    try {
      return await operation();
    } catch (error) {
      if (!PawlError.is(error, "STORE_UNREACHABLE") || performance.now() > untilMs) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
