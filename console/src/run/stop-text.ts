import type { RunDetail, RunListItem, StopReason } from "../api/types.ts";
import { countText, usdText } from "../format/figures.ts";

const reasons: { readonly [reason in StopReason]: string } = {
  max_turns: "it used all of its turns",
  budget: "its next call did not fit the budget",
  no_progress: "it repeated itself without getting further",
  refused: "the model refused to answer",
  context_overflow: "the conversation no longer fits the model's window",
};

export function stopText(reason: StopReason): string {
  return reasons[reason];
}

/** What went wrong, in words; null where nothing did. */
export function troubleText({ blocked, errorCode, stopReason }: RunListItem): string | null {
  const code = blocked?.code ?? errorCode;
  if (code !== null) return code.toLowerCase().replaceAll("_", " ");
  return stopReason === null ? null : stopText(stopReason);
}

export type LimitName = "turns" | "costUsd" | "tokens" | "calls";

export interface LimitLine {
  readonly name: LimitName;
  readonly label: string;
  /** null = no cap. */
  readonly cap: number | null;
  readonly spent: number;
  readonly text: (value: number) => string;
}

export function limitLines({ budget }: RunDetail): readonly LimitLine[] {
  const { turns, costNanoUsd, tokens, calls } = budget;
  const inUsd = (nanoUsd: number | null): number | null => (nanoUsd === null ? null : nanoUsd / 1e9);
  return [
    { name: "turns", label: "turns", ...turns, text: String },
    {
      name: "costUsd",
      label: "USD",
      cap: inUsd(costNanoUsd.cap),
      spent: costNanoUsd.spent / 1e9,
      text: (usd) => usdText(Math.round(usd * 1e9)),
    },
    { name: "tokens", label: "tokens", ...tokens, text: countText },
    { name: "calls", label: "tool calls", ...calls, text: countText },
  ];
}

/** The limit that a stopped run ran into, as far as its figures tell. */
export function reachedLimit(run: RunDetail): LimitLine | null {
  if (run.stopReason !== "max_turns" && run.stopReason !== "budget") return null;
  const share = ({ cap, spent }: LimitLine): number => (cap === null || cap === 0 ? 0 : spent / cap);
  const lines = limitLines(run).filter(
    ({ name, cap }) => cap !== null && (name === "turns") === (run.stopReason === "max_turns"),
  );
  return lines.toSorted((a, b) => share(b) - share(a))[0] ?? null;
}
