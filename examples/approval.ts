// A tool that asks a person above 50 USD. The run waits in the store: no memory, no connection, no process.
import { durable, pawl, tool } from "pawl";
import { sqlite } from "pawl/sqlite";
import { z } from "zod";
import { temporaryFolder } from "./temporary-folder.ts";

const refund = tool({
  name: "refund", version: "1", description: "Refund one charge.",
  inputSchema: z.object({ invoiceId: z.string(), amountUsd: z.number().positive() }),
  effect: "idempotent",
  approval: ({ amountUsd }) => amountUsd > 50,
  execute: ({ invoiceId, amountUsd }) => `${invoiceId}: refunded ${amountUsd} USD`,
});
const settle = durable({ name: "settle", tools: [refund], run: (ctx) => ctx.call(refund, { invoiceId: "INV-7", amountUsd: 80 }) });

const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [settle] });
const run = await app.start(settle, { runId: "ticket-2", input: null });
const waiting = await run.result(); // resolves here: a person is needed
console.log(waiting.status, waiting.status === "awaiting_approval" ? waiting.approvals : "");

const approval = await app.approvals.get("ticket-2:t0-0");
console.log(approval.question, approval.tool, approval.input);
// bound to exactly this action; an edit is checked against the tool's schema
await app.approvals.approve(approval.approvalId, { by: "ada@example.com", shownHash: approval.actionHash, edit: { invoiceId: "INV-7", amountUsd: 60 } });
for await (const event of run.stream()) if (event.type === "run.ended") console.log(event.status, event.output);
await app.approvals.reject(approval.approvalId, { by: "bob@example.com" }).catch((error: unknown) => console.log(String(error)));
await app.close();
