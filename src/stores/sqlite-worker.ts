import { parentPort } from "node:worker_threads";
import { PawlError, errorRecord } from "../core/errors.ts";
import { SqliteCore } from "./sqlite-core.ts";
import { plainOf } from "./sqlite-requests.ts";
import type { FromThread, ToThread } from "./sqlite-thread.ts";

// The file that runs in the thread of a database: the same core, asked by messages.

let core: SqliteCore | null = null;

function answerTo(message: ToThread): FromThread {
  switch (message.type) {
    case "open":
      core = new SqliteCore(message.options);
      try {
        core.open();
        return { type: "opened" };
      } catch (error) {
        return { type: "failed", error: errorRecord(error, "INTERNAL") };
      }
    case "run":
      if (core === null) throw new PawlError("INTERNAL", "the thread of a database was asked before it was opened.");
      return { type: "answers", answers: core.run(message.requests, message.now).map(plainOf) };
    case "close":
      core?.close();
      return { type: "closed" };
  }
}

parentPort?.on("message", (message: ToThread) => {
  parentPort?.postMessage(answerTo(message));
});
