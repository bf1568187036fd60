import type { BudgetCaps, BudgetLine } from "../../core/budget-rules.ts";
import { PawlError } from "../../core/errors.ts";
import { costText, durationText } from "../figures.ts";
import { personHere } from "../ask-person.ts";
import { openApp, type Place } from "../place.ts";
import { note, paint, plain, say, table } from "../terminal.ts";

export interface CapOptions extends Place {
  readonly tokens?: string;
  readonly usd?: string;
  readonly calls?: string;
  readonly declared?: boolean;
}

/** `pawl budgets`: what is declared, and how it stands. */
export async function budgets(place: Place): Promise<number> {
  const { app, tenant } = await openApp(place, { worker: false, mustExist: true });
  try {
    showBudgets(await app.budgets(tenant).list(), place.json === true);
    return 0;
  } finally {
    await app.close();
  }
}

/** `pawl budgets set NAME`: caps in place of the declared ones, until `--declared`. */
export async function setBudget(name: string, options: CapOptions): Promise<number> {
  const caps = capsOf(options);
  const { app, tenant } = await openApp(options, { worker: false, mustExist: true });
  try {
    await app.budgets(tenant).set(name, caps, personHere());
    const lines = await app.budgets(tenant).list();
    showBudgets(
      lines.filter((line) => line.name === name),
      options.json === true,
    );
    return 0;
  } finally {
    await app.close();
  }
}

/** @throws OPTION_INVALID */
export function capsOf({ tokens, usd, calls, declared }: Omit<CapOptions, keyof Place>): BudgetCaps | null {
  if (declared === true) return null;
  const given = Object.entries({ tokens, costUsd: usd, calls }).filter(([, text]) => text !== undefined && text !== "");
  if (given.length === 0) {
    throw new PawlError("OPTION_INVALID", "set needs a cap: --tokens 100000, --usd 5, --calls 50, or --declared.");
  }
  return Object.fromEntries(given.map(([unit, text]) => [unit, Number(text)]));
}

export function showBudgets(lines: readonly BudgetLine[], isJson: boolean): void {
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
  const [header = "", ...body] = table([
    ["NAME", "SCOPE", "WINDOW", "OF", "CAP", "USED", "RESERVED", "LEFT", "MODE", ""],
    ...rows,
  ]);
  say(paint("bold", header));
  for (const line of body) say(line);
  if (lines.some(({ left }) => left !== null && left <= 0)) note("more: pawl budgets set NAME --tokens N | --usd N");
}
