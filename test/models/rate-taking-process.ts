import { sharedRates } from "../../src/models/shared-rates.ts";
import { sqlite } from "../../src/sqlite.ts";

// A process that takes from the shared buckets of a database until nothing is left, at one instant, and says how much it
// got and with how many writes. Arguments: database, requests and tokens per minute, tokens of a call.

const [path = "", requests = "", tokens = "", each = ""] = process.argv.slice(2);
const store = sqlite(path);
await store.open();
let writes = 0;
const counted: Pick<typeof store, "getRecord" | "putRecord"> = {
  getRecord: (tenant, key) => store.getRecord(tenant, key),
  putRecord: (...put) => {
    writes++;
    return store.putRecord(...put);
  },
};
const [requestsPerMinute, tokensPerMinute] = [Number(requests), Number(tokens)];
const rates = sharedRates(counted, { nowMs: () => 1_000_000 })([{ name: "a", requestsPerMinute, tokensPerMinute }]);
process.stdout.write("ready\n");
await new Promise((resolve) => {
  process.stdin.once("data", resolve);
});
let taken = 0;
let refusals = 0;
while (refusals < 3) {
  if ((await rates.take("a", { tokens: Number(each) }, 0)) === 0) taken++;
  else refusals++;
}
process.stdout.write(`${JSON.stringify({ taken, writes })}\n`);
// whoever holds the database stays until the other has what it wants
process.stdin.once("data", () => void store.close());
