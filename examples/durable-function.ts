// A plain async function that survives a crash between any two of its calls.
import { durable, pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { temporaryFolder } from "./temporary-folder.ts";

const order = durable({
  name: "order",
  run: async (ctx, input) => {
    const price = await ctx.step("look up the price", { effect: "pure" }, () => 42);
    const paid = await ctx.step("charge", { effect: "idempotent" }, ({ idempotencyKey }) => `charged once under ${idempotencyKey}`);
    await ctx.sleep(50); // a timer in the store, not in memory
    return { order: input, price, paid };
  },
});

const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [order] });
const run = await app.start(order, { runId: "order-1", input: { sku: "A-7" } });
const result = await run.result();
console.log(result.status, result.status === "completed" ? result.output : "");

// the same id and input give the same run: nothing is charged again
const again = await app.start(order, { runId: "order-1", input: { sku: "A-7" } });
console.log("same run:", (await again.head()).seq === (await run.head()).seq);
await app.close();
