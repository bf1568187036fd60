// Two of three people must approve the same arguments; who started the run is not one of them.
import { durable, pawl, tool } from "pawl";
import { sqlite } from "pawl/sqlite";
import { z } from "zod";
import { temporaryFolder } from "./temporary-folder.ts";

const wipe = tool({
  name: "wipe", version: "1", description: "Delete a customer's data.",
  inputSchema: z.object({ customer: z.string() }),
  effect: "once",
  approval: "always",
  approvers: { quorum: 2, whoMay: { principals: ["ada", "bob", "cyd"] }, escalation: { afterMs: 3_600_000, role: "lead" } },
  execute: ({ customer }) => `${customer} is gone`,
});
const leave = durable({ name: "leave", tools: [wipe], run: (ctx) => ctx.call(wipe, { customer: "C-7" }) });

const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [leave] });
const run = await app.start(leave, { runId: "c-7", input: null, principal: "ada" });
console.log((await run.result()).status);
const ask = "c-7:t0-0";
await app.approvals.approve(ask, { by: "ada" }).catch((error: unknown) => console.log(String(error)));
console.log("missing", (await app.approvals.approve(ask, { by: "bob" })).missing);
console.log("missing", (await app.approvals.approve(ask, { by: "cyd" })).missing);
for await (const event of run.stream()) if (event.type === "run.ended") console.log(event.status, event.output);
await app.close();
