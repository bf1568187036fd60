import { z } from "zod";
import { budgetLine, setBudgetRequest } from "../api/budgets.ts";
import { name, pageOf } from "../api/values.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix } from "../route-parts.ts";

/** Budgets that are declared: how they stand for the caller's tenant, and caps in place of theirs. */
export function budgetRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  const about = { tags: ["budgets"], response: { 200: pageOf(budgetLine) } };
  app.get(
    `${prefix}/budgets`,
    {
      config: { role: "read" },
      schema: {
        ...about,
        operationId: "listBudgets",
        summary: "Declared budgets: used, reserved, left in their window",
      },
    },
    async ({ caller }) => ({ items: await pawl.budgets(caller.tenant).list(), cursor: null }),
  );
  app.post(
    `${prefix}/budgets/:budget/caps`,
    {
      config: { role: "operate" },
      schema: {
        ...about,
        operationId: "setBudget",
        summary: "Set caps in place of the declared ones, or take them back",
        params: z.object({ budget: name }),
        body: setBudgetRequest,
      },
    },
    async ({ caller, params, body }) => {
      const budgets = pawl.budgets(caller.tenant);
      await budgets.set(params.budget, body.caps, caller.principal);
      return { items: await budgets.list(), cursor: null };
    },
  );
}
