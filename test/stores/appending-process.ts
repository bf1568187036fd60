import { writeSync } from "node:fs";
import { PawlError } from "../../src/core/errors.ts";
import { redisStore } from "../../src/redis.ts";
import { integrityOf, sqlite, type SqliteOptions } from "../../src/sqlite.ts";
import { firstOf, nextOf, turnEnded } from "../../src/testing/suite-journal.ts";

// A process that appends to one run, one batch after the other, and says on its output what was acknowledged:
//   role holder|client|reader · ok <seq> · error <code> · stopped
// It ends when its input does. Arguments: database (a file, or the URL of a Redis), run id, JSON of store options, most appends.

const [path = "", runId = "", options = "{}", most = "Infinity"] = process.argv.slice(2);
const ref = { tenant: "acme", runId };
const store = path.startsWith("redis") ? redisStore(path) : sqlite(path, JSON.parse(options) as SqliteOptions);
let isStopped = false;

process.stdin.on("end", () => {
  isStopped = true;
});
process.stdin.resume();

/** Written at once, so that a killed process has said what it knew. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function codeOf(error: unknown): string {
  if (!PawlError.is(error)) throw error;
  return error.code;
}

/** Repeats until the store answers: the same batch, so that an unknown outcome becomes known. */
async function insisted<T>(ask: () => Promise<T>): Promise<T | null> {
  while (!isStopped) {
    try {
      return await ask();
    } catch (error) {
      const code = codeOf(error);
      say(`error ${code}`);
      if (!["STORE_UNREACHABLE", "STORE_LOCKED", "STORE_FULL"].includes(code)) throw error;
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
      say(`role ${(await integrityOf(store).catch(() => null))?.role ?? "none"}`);
    }
  }
  return null;
}

await store.open();
await store.openSession(`session-${process.pid}`, "appending");
say(`role ${(await integrityOf(store))?.role ?? "none"}`);
const first = firstOf(ref);
const created = await insisted(() => store.createRun(ref, first));
let head = created?.type === "exists" ? created.head : first.head;
for (let count = 0; !isStopped && count < Number(most); count++) {
  const append = nextOf(head, [turnEnded(head.seq)], { id: `${process.pid}-${head.seq}` });
  const answer = await insisted(() => store.append(ref, append));
  if (answer === null) break;
  if (answer.type !== "ok" && answer.type !== "mine") throw new Error(`append answered ${answer.type}`);
  head = append.head;
  say(`ok ${head.seq}`);
}
await store.close();
say("stopped");
process.exit(0);
