/** A process that starts the run "first" on a database, whose model never answers, and says when it was asked: FILE. */
import { Pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { budgets, spender } from "./spender.ts";

const models = scriptedModel(() => {
  process.stdout.write("asked\n");
  return Promise.withResolvers<never>().promise;
});
const app = new Pawl({ store: sqlite(process.argv[2] ?? ""), agents: [spender], models, budgets });
await app.start(spender, { runId: "first", input: "x" });
