// The process of one query. It is started by sql-query.ts, told its task once, and ended by whoever started it.
import { Worker } from "node:worker_threads";
import { limits } from "../../core/limits.ts";
import { answerSql } from "./sql-database.ts";
import type { SqlTask } from "./sql-task.ts";

/** Ends this process when whoever started it cannot: a busy SQLite hears nothing. */
const watch = `setTimeout(() => process.kill(process.pid, "SIGKILL"), ${limits.sqlTimeMs + 1_000})`;

process.once("message", (task: SqlTask) => {
  const watchdog = new Worker(watch, { eval: true });
  watchdog.unref();
  process.send?.(answerSql(task), () => process.disconnect());
});
