import type { Effect } from "../../src/core/effect.ts";
import type { FaultKind } from "./judge.ts";
import type { TrialResult } from "./trial.ts";

interface Column {
  readonly title: string;
  readonly value: (results: readonly TrialResult[]) => string;
}

/** Trials with at least one fault of a kind. */
function withFault(kind: FaultKind, effect?: Effect): Column["value"] {
  return (results) =>
    String(
      results.filter(({ faults }) =>
        faults.some((fault) => fault.kind === kind && (effect === undefined || fault.effect === effect)),
      ).length,
    );
}

/** Trials without a fault of a kind, of all. */
function withoutFault(kind: FaultKind): Column["value"] {
  return (results) => `${results.length - Number(withFault(kind)(results))}/${results.length}`;
}

function sum(count: (result: TrialResult) => number): Column["value"] {
  return (results) => String(results.reduce((total, result) => total + count(result), 0));
}

/** How often a person had to act, approvals apart: no fault, but the price of what nobody can know. */
const asked = sum(
  ({ reports }) => reports.filter((report) => report.type === "person" && report.did !== "approved").length,
);

const columns: readonly Column[] = [
  { title: "trials", value: sum(() => 1) },
  { title: "hits", value: sum(({ hits }) => hits) },
  { title: "asked", value: asked },
  { title: "lost", value: withFault("lost") },
  { title: "once twice", value: withFault("doubled", "once") },
  { title: "idempotent twice", value: withFault("doubled", "idempotent") },
  { title: "reconcilable twice", value: withFault("doubled", "reconcilable") },
  { title: "never", value: withFault("missing") },
  { title: "unannounced", value: withFault("unannounced") },
  { title: "abandoned", value: withFault("abandoned") },
  { title: "stuck", value: withFault("stuck") },
  { title: "answers equal", value: withoutFault("answer") },
  { title: "journals verified", value: withoutFault("journal") },
];

export const legend: readonly string[] = [
  "hits: blows that met a process. asked: outcomes nobody could know, resolved by a person who looked; runs let go on.",
  "lost: acknowledged, and not in the store. twice: the outside world counted it again. never: it did not count it.",
  "unannounced: happened before its started event. abandoned: a person had to look though nobody was killed.",
];

/** Rows by name, in the order of first result, with a last one for all. */
export function tableOf(results: readonly (readonly [row: string, result: TrialResult])[]): readonly string[] {
  const rows = Map.groupBy(results, ([row]) => row);
  const cells = [
    ["", ...columns.map(({ title }) => title)],
    ...[...rows].map(([row, of]) => [row, ...columns.map(({ value }) => value(of.map(([, result]) => result)))]),
    ["all", ...columns.map(({ value }) => value(results.map(([, result]) => result)))],
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row.map((cell, n) => (n === 0 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join("  ");
  return cells.map(line);
}
