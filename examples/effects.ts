// Four tools, four answers to "what if the worker dies in the middle?".
import { durable, notApplied, pawl, tool } from "pawl";
import { sqlite } from "pawl/sqlite";
import { z } from "zod";
import { temporaryFolder } from "./temporary-folder.ts";

const common = { version: "1", inputSchema: z.object({ id: z.string() }) };
const shipped = new Set<string>();
const lookUp = tool({ ...common, name: "look_up", description: "Reads. Repeated freely.", effect: "pure", execute: ({ id }) => `${id}: in stock` });
const refund = tool({ ...common, name: "refund", description: "Repeated with the same key.", effect: "idempotent", execute: (_, ctx) => `refunded under ${ctx.idempotencyKey}` });
const ship = tool({
  ...common, name: "ship", description: "When in doubt the remote system is asked.", effect: "reconcilable", timeLimitMs: 500,
  execute: ({ id }) => { shipped.add(id); throw new Error("the answer was lost on the way"); },
  reconcile: ({ id }) => (shipped.has(id) ? { happened: true, result: `${id} is on its way` } : { happened: false }),
});
const mail = tool({
  ...common, name: "mail", description: "Never repeated. When in doubt, a person decides.", effect: "once",
  execute: () => { throw notApplied("the mailbox refused the connection: nothing was sent"); },
});
const support = durable({
  name: "support", tools: [lookUp, refund, ship, mail],
  run: async (ctx) => [
    await ctx.call(lookUp, { id: "A-7" }),
    await ctx.call(refund, { id: "A-7" }),
    await ctx.call(ship, { id: "A-7" }), // threw, but reconcile knows better
    await ctx.call(mail, { id: "A-7" }).catch((error: unknown) => String(error)),
  ],
});
const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [support] });
const result = await (await app.start(support, { runId: "ticket-1", input: null })).result();
console.log(result.status === "completed" ? result.output : result);
await app.close();
