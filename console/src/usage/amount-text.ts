import type { DeclaredBudget } from "../api/types.ts";
import { exactText, usdText } from "../format/figures.ts";

/** An amount of a budget in its unit. */
export function amountText(unit: DeclaredBudget["unit"], amount: number): string {
  return unit === "nanoUsd" ? usdText(amount) : `${exactText(amount)} ${unit}`;
}
