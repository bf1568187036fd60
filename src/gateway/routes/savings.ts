import { SavingsReader } from "../../engine/usage-savings.ts";
import { savingsQuery } from "../api/list-queries.ts";
import { usageSavings } from "../api/traces.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix } from "../route-parts.ts";

/** What runs did not spend. */
export function savingsRoutes(app: GatewayApp, gateway: Gateway): void {
  const reader = new SavingsReader(gateway.app.store);
  app.get(
    `${prefix}/usage/savings`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getSavings",
        tags: ["traces"],
        summary: "What the newest runs did not spend: small models, kept results, compactions",
        querystring: savingsQuery,
        response: { 200: usageSavings },
      },
    },
    ({ caller, query }) => reader.of(caller.tenant, query.limit ?? 100),
  );
}
