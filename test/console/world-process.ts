import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { sqlite } from "pawl/sqlite";
import { pawl } from "pawl";
import { consoleFolder } from "../../src/cli/console-build.ts";
import { gateway } from "../../src/gateway.ts";
import { traceIndex } from "../../src/traces.ts";
import { worldAgents, worldBudgets, worldModels } from "./world-agents.ts";

// One process of gateway, worker and console over a folder: `node world-process.ts FOLDER PORT WORKER AUTH`. Killed with -9 by a
// test and started again. Prints its address when it answers.

const [folder = ".", port = "0", worker = "a", auth = "open"] = process.argv.slice(2);
const world = {
  log: (line: string) => appendFileSync(join(folder, "world.log"), `${worker} ${line}\n`),
  slowMs: 4_000,
};

const store = sqlite(join(folder, "pawl.db"));
const app = pawl({
  store,
  agents: worldAgents(world),
  models: worldModels(60),
  budgets: worldBudgets,
  tools: { grants: [{ tool: "note", agent: "injected", capabilities: ["net:notes.example.org"] }] },
  worker: { name: worker },
});
await app.open();
const traces = traceIndex({ store, path: join(folder, "traces.db") });
await traces.open();
// until the process is killed
void traces.follow(new AbortController().signal);
const noLimits = {
  requestsPerS: null,
  startsPerMinute: null,
  concurrentRuns: null,
  tokensPerDay: null,
  costUsdPerDay: null,
};
const server = gateway({
  app,
  traces,
  limits: { key: noLimits, tenant: noLimits, addressRequestsPerS: null },
  consoleFolder: await consoleFolder((line) => console.error(line)),
  ...(auth === "open" && { openTo: { tenant: "default", principal: "ada" } }),
});
const url = await server.listen({ port: Number(port) });
const key =
  auth === "open"
    ? null
    : await server.gateway.keys.create("default", {
        name: "test",
        principal: "ada@example.com",
        roles: ["admin"],
        createdBy: "test",
      });
console.log(JSON.stringify({ url, key: key === null ? null : key.key }));
