import { z } from "zod";
import type { BudgetCaps, BudgetKind, BudgetLine, BudgetMode, BudgetWindow } from "../../core/budget-rules.ts";
import type { LedgerUnit } from "../../core/store-contract.ts";
import { count, enumOf, name } from "./values.ts";

export const budgetLine: z.ZodType<BudgetLine> = z
  .object({
    name,
    scope: enumOf<BudgetKind>({ run: true, thread: true, user: true, tenant: true, agent: true, tool: true }),
    key: z.string().nullable(),
    window: enumOf<BudgetWindow>({ run: true, hour: true, day: true, month: true }),
    endsAt: z.number().nullable(),
    mode: enumOf<BudgetMode>({ hard: true, soft: true, shadow: true }),
    unit: enumOf<LedgerUnit>({ tokens: true, nanoUsd: true, calls: true }),
    cap: count,
    used: z.number().nullable(),
    reserved: z.number().nullable(),
    left: z.number().nullable(),
    setBy: z.string().nullable(),
    setAt: z.number().nullable(),
  })
  .meta({
    id: "DeclaredBudget",
    description: "How one cap of a declared budget stands. Money in nano-dollars (1e9 = 1 USD).",
  });

/** `POST /budgets/{budget}/caps`: in place of the declared ones; null = the declared ones hold again. */
export interface SetBudgetRequest {
  readonly caps: BudgetCaps | null;
}
export const setBudgetRequest: z.ZodType<SetBudgetRequest> = z
  .strictObject({
    caps: z
      .strictObject({
        tokens: count.exactOptional(),
        costUsd: z.number().min(0).exactOptional(),
        calls: count.exactOptional(),
      })
      .nullable(),
  })
  .meta({ id: "SetBudgetRequest" });
