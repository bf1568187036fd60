// Cancel is ordered by the journal: what had started is reported as done or unknown, everything else never starts.
import { durable, pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { temporaryFolder } from "./temporary-folder.ts";

const long = durable({
  name: "long",
  run: async (ctx) => {
    await ctx.step("first", { effect: "idempotent" }, () => "done");
    const signal = await ctx.waitForSignal("continue");
    await ctx.step("second", { effect: "once" }, () => "must never happen");
    return signal;
  },
});

const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [long] });
const run = await app.start(long, { runId: "job-1", input: null });
for await (const event of run.stream()) {
  if (event.type === "run.parked") await app.cancel("job-1", "no longer needed");
  if (event.type === "step.returned") console.log("step returned");
}
const result = await run.result();
console.log(result.status, result.status === "cancelled" ? result.reason : "");
await app.signal("job-1", "continue", 1).catch((error: unknown) => console.log(String(error)));
await app.close();
