import type { Effect, EffectStatus } from "../api/types.ts";

const effects: { readonly [effect in Effect]: string } = {
  pure: "only reads: repeated freely",
  idempotent: "acts outside: repeated with the same key",
  reconcilable: "acts outside: after a crash the other side is asked",
  once: "acts outside: never repeated",
};

export function effectText(effect: Effect): string {
  return effects[effect];
}

type Look = {
  readonly tone: "none" | "run" | "ok" | "wait" | "bad" | "odd";
  readonly text: string;
  readonly about: string;
};
const statuses: { readonly [status in EffectStatus | "called" | "never"]: Look } = {
  called: { tone: "none", text: "decided", about: "decided, not started" },
  never: { tone: "none", text: "never started", about: "the run ended before it could start" },
  held: { tone: "wait", text: "held", about: "waits for a person; nothing has happened" },
  started: { tone: "run", text: "started", about: "under way" },
  done: { tone: "ok", text: "done", about: "happened" },
  unknown: { tone: "odd", text: "unknown", about: "nobody knows whether it happened" },
  refused: { tone: "wait", text: "refused", about: "never started" },
  failed: { tone: "bad", text: "failed", about: "did not happen" },
};

export function effectLook(status: EffectStatus | "called" | "never"): Look {
  return statuses[status];
}
