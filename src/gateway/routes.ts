import type { Gateway, GatewayApp } from "./gateway.ts";
import { approvalRoutes } from "./routes/approvals.ts";
import { budgetRoutes } from "./routes/budgets.ts";
import { catalogueRoutes } from "./routes/catalogue.ts";
import { confidenceRoutes } from "./routes/confidence.ts";
import { deletionRoutes } from "./routes/deletions.ts";
import { effectRoutes } from "./routes/effects.ts";
import { graphRoutes } from "./routes/graphs.ts";
import { modelRoutes } from "./routes/models.ts";
import { runEventRoutes } from "./routes/run-events.ts";
import { runResultRoutes } from "./routes/run-result.ts";
import { runWordRoutes } from "./routes/run-words.ts";
import { runRoutes } from "./routes/runs.ts";
import { savingsRoutes } from "./routes/savings.ts";
import { threadRoutes } from "./routes/threads.ts";
import { toolRoutes } from "./routes/tools.ts";
import { traceRoutes } from "./routes/traces.ts";

/** Every module of routes under /api/v1. */
export const routeModules: readonly ((app: GatewayApp, gateway: Gateway) => void)[] = [
  catalogueRoutes,
  graphRoutes,
  modelRoutes,
  runRoutes,
  runResultRoutes,
  runWordRoutes,
  runEventRoutes,
  approvalRoutes,
  confidenceRoutes,
  effectRoutes,
  threadRoutes,
  deletionRoutes,
  traceRoutes,
  savingsRoutes,
  budgetRoutes,
  toolRoutes,
];
