/** A gateway with its worker in a process of its own: FILE PORT. Prints its address, and a key where it made the file. */
import { existsSync } from "node:fs";
import { Pawl } from "pawl";
import { gateway } from "pawl/gateway";
import { sqlite } from "pawl/sqlite";
import { scriptedModel } from "pawl/testing";
import { demoAgents } from "./serving.ts";

const [file = "", port = "0"] = process.argv.slice(2);
const isNew = !existsSync(file);
const app = new Pawl({ store: sqlite(file), agents: demoAgents([]), models: scriptedModel([{ text: "Done." }]) });
const server = gateway({ app });
const url = await server.listen({ port: Number(port) });
const issued = isNew
  ? await server.gateway.keys.create("acme", { name: "test", roles: ["admin"], createdBy: "test" })
  : null;
console.log(JSON.stringify({ url, key: issued?.key ?? null }));
