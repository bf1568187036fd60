// Built-in tools: a table is asked in SQL, the answer becomes a file, and a later run knows what this one remembered.
import { readFileSync, writeFileSync } from "node:fs";
import { agent, pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { memoryTools, sqlQuery, writeFileTool } from "pawl/tools";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
writeFileSync(`${folder}/orders.csv`, "customer,total\nAda,20.5\nGrace,9\nAda,0.5\n");

const query = sqlQuery({ tables: { orders: `${folder}/orders.csv` } });
const write = writeFileTool({ root: `${folder}/out` });
const memory = memoryTools({ file: `${folder}/memory.db` });
const clerk = agent({ name: "clerk", model: "clerk", instructions: "Answer from the orders.", tools: [query, write, ...memory.tools] });
const host = agent({ name: "host", model: "host", instructions: "Be kind.", tools: memory.tools });
const sql = "SELECT customer, sum(total) AS total FROM orders GROUP BY customer ORDER BY total DESC";
const models = scriptedModel({
  clerk: [
    { toolCalls: [{ tool: "remember", input: { text: "Wants totals with the largest first." } }, { tool: "sql_query", input: { sql } }] },
    { toolCalls: [{ tool: "write_file", input: { path: "totals.md", content: "Ada 21, Grace 9" } }] },
    { text: "Ada has ordered most." },
  ],
  host: [{ toolCalls: [{ tool: "recall", input: { query: "totals" } }] }, { text: "The largest first." }],
});
// nothing that a tool asks for is allowed until it is granted
const grants = [query, write].map(({ name, capabilities }) => ({ tool: name, capabilities }));
const app = pawl({ store: sqlite(`${folder}/pawl.db`), agents: [clerk, host], models, tools: { grants } });
const ask = async (of: typeof clerk, input: string) => {
  const run = await app.start(of, { input, principal: "ada@example.com" });
  for await (const event of run.stream())
    if (event.type === "tool.returned" || event.type === "run.ended") console.log(JSON.stringify(event.output));
};
await ask(clerk, "Who orders most? The largest first, please. Write it to totals.md."); // a path that nobody named would be asked about
await ask(host, "How do I want totals?");
console.log("totals.md:", readFileSync(`${folder}/out/totals.md`, "utf8"));
await app.close();
memory.close();
