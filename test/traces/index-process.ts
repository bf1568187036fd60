import { sqlite } from "../../src/sqlite.ts";
import { traceIndex } from "../../src/traces.ts";

// Indexes the database it is given until it is killed: node index-process.ts DATABASE INDEX. Says "begun" once.
const [database = "", path = ""] = process.argv.slice(2);
const store = sqlite(database);
await store.open();
const index = traceIndex({ store, path });
await index.open();
process.stdout.write("begun\n");
await index.catchUp();
await index.close();
await store.close();
process.stdout.write("done\n");
