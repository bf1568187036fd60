// Children are runs of their own: own journal, own crash recovery; the parent waits without holding anything.
import { durable, pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { temporaryFolder } from "./temporary-folder.ts";

const count = durable({
  name: "count-words",
  run: (ctx, input) => ctx.step("count", { effect: "pure" }, () => (input as string).split(/\s+/).length),
});
const total = durable({
  name: "total",
  uses: [count],
  run: async (ctx, input) => {
    const texts = input as readonly string[];
    const counts = await Promise.all(texts.map((text) => ctx.callRun(count, text)));
    return counts.reduce<number>((sum, one) => sum + Number(one), 0);
  },
});

const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [total] });
const run = await app.start(total, { runId: "words", input: ["a run is a journal", "everything else", "is a reading of it"] });
const result = await run.result();
console.log(result.status, result.status === "completed" ? result.output : "");
const children = await app.runs({ parentRunId: "words" });
for (const child of children.items) console.log(child.runId.split("~")[0], child.runnable, child.status);
await app.close();
