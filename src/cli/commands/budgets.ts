import type { BudgetCaps, BudgetLine } from "../../core/budget-rules.ts";
import { PawlError } from "../../core/errors.ts";
import { costText, durationText } from "../figures.ts";
import { atDesk, toSay } from "../at-desk.ts";
import type { Desk } from "../desk.ts";
import type { Place } from "../place.ts";
import { note, plain, say, sayTable } from "../terminal.ts";

export interface CapOptions extends Place {
  readonly tokens?: string;
  readonly usd?: string;
  readonly calls?: string;
  readonly declared?: boolean;
}

/** `pawl budgets`: what is declared, and how it stands. */
export function budgets(place: Place): Promise<number> {
  const isJson = place.json === true;
  return atDesk(place, async (desk) => showBudgets((await desk.listBudgets()).items, isJson), toSay);
}

/** `pawl budgets set NAME`: caps in place of the declared ones, until `--declared`. */
export function setBudget(name: string, options: CapOptions): Promise<number> {
  const caps = capsOf(options);
  const does = async (desk: Desk): Promise<void> => {
    const { items } = await desk.setBudget(name, { caps });
    const lines = items.filter((line) => line.name === name);
    showBudgets(lines, options.json === true);
  };
  return atDesk(options, does, toSay);
}

/** @throws OPTION_INVALID */
function capsOf({ tokens, usd, calls, declared }: CapOptions): BudgetCaps | null {
  if (declared === true) return null;
  const given = Object.entries({ tokens, costUsd: usd, calls }).filter(([, text]) => text !== undefined && text !== "");
  if (given.length === 0) {
    throw new PawlError("OPTION_INVALID", "set needs a cap: --tokens 100000, --usd 5, --calls 50, or --declared.");
  }
  return Object.fromEntries(given.map(([unit, text]) => [unit, Number(text)]));
}

function showBudgets(lines: readonly BudgetLine[], isJson: boolean): void {
  if (isJson) {
    for (const line of lines) say(JSON.stringify(line));
    return;
  }
  if (lines.length === 0) {
    say("no budgets are declared. In pawl.config.ts: pawl({ budgets: [{ name, scope, window, costUsd }] })");
    return;
  }
  const rows = lines.map((line) => {
    const amount = (value: number | null): string =>
      value === null ? "each run" : line.unit === "nanoUsd" ? costText(value) : value.toLocaleString("en-US");
    return [
      line.name,
      `${line.scope}${line.key === null ? "" : ` ${plain(line.key)}`}`,
      line.endsAt === null
        ? line.window
        : `${line.window}, ${durationText(Math.max(0, line.endsAt - Date.now()))} left`,
      line.unit === "nanoUsd" ? "cost" : line.unit,
      amount(line.cap),
      amount(line.used),
      amount(line.reserved),
      amount(line.left),
      line.mode,
      line.setBy === null ? "" : `set by ${plain(line.setBy)}`,
    ];
  });
  sayTable(["NAME", "SCOPE", "WINDOW", "OF", "CAP", "USED", "RESERVED", "LEFT", "MODE", ""], rows);
  if (lines.some(({ left }) => left !== null && left <= 0)) note("more: pawl budgets set NAME --tokens N | --usd N");
}
