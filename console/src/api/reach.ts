import { useSyncExternalStore } from "react";

// Whether the server answers, as the last request found. Any answer counts, a refusal too.

const listeners = new Set<() => void>();
let isReached = true;

function setReached(is: boolean): void {
  if (is === isReached) return;
  isReached = is;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** False from the first request that nobody answered to the first that somebody did. */
export function useReached(): boolean {
  return useSyncExternalStore(subscribe, () => isReached);
}

/** @throws TypeError  nobody answered; its words are for people, the browser's own are not */
export const watchedFetch: typeof fetch = async (address, init) => {
  try {
    const response = await fetch(address, init);
    setReached(true);
    return response;
  } catch (error) {
    if (init?.signal?.aborted === true) throw error;
    setReached(false);
    throw new TypeError("The server does not answer. Try again when it is back.", { cause: error });
  }
};
