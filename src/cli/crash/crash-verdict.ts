import type { EffectEntry } from "../../engine/effect-ledger.ts";

/** What arrived at the counter: the keys of every delivery, by tool. */
export type Arrived = { readonly [tool: string]: readonly string[] };

/** One line of the ledger beside what the counter saw. */
export interface CrashRow {
  readonly tool: string;
  readonly effect: string;
  readonly ledger: string;
  readonly counter: string;
  /** Why the two contradict each other; null when they agree. */
  readonly contradiction: string | null;
}

/** Compares the ledger with the counter. Pure. */
export function crashRows(entries: readonly EffectEntry[], arrived: Arrived): readonly CrashRow[] {
  return entries.map((entry) => {
    const keys = arrived[entry.tool] ?? [];
    const distinct = new Set(keys).size;
    return {
      tool: entry.tool,
      effect: entry.effect,
      ledger: ledgerText(entry, keys.length),
      counter: `${keys.length} arrived${keys.length > 1 ? `, ${distinct} key${distinct === 1 ? "" : "s"}` : ""}`,
      contradiction: contradictionOf(entry, keys),
    };
  });
}

function ledgerText({ effect, status, via }: EffectEntry, arrivals: number): string {
  if (via === "reconciled") return `${status}, reconciled`;
  if (status === "unknown") return "unknown: a person is asked";
  if (via === "resolved") return `${status}, a person said so`;
  if (arrivals < 2) return status;
  return effect === "pure" ? `${status}, repeated: harmless` : `${status}, repeated with the same key`;
}

function contradictionOf({ tool, effect, status, key }: EffectEntry, keys: readonly string[]): string | null {
  const times = `${tool} arrived ${keys.length} times`;
  if (keys.some((one) => one !== key)) return `${times}, not always with the key of the ledger`;
  if (status === "done" && keys.length === 0) return `the ledger says done, but ${tool} never arrived`;
  if (status === "held" && keys.length > 0) return `the ledger says not started, but ${times}`;
  const isGuarded = effect === "once" || effect === "reconcilable";
  return isGuarded && keys.length > 1 ? `${times}, and must not` : null;
}
