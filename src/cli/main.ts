#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { complain } from "./complain.ts";
import { exitCodeOfError } from "./exit-codes.ts";
import { isEndingUncaught } from "./uncaught.ts";

// halves the time of every start after the first
enableCompileCache();

/** Answers what needs no parser before the parser is loaded. */
async function answer(words: readonly string[]): Promise<number> {
  if (words.length === 0) {
    const { tasks } = await import("./tasks.ts");
    return tasks();
  }
  if (words.length === 1 && (words[0] === "--version" || words[0] === "-V")) {
    const { version } = await import("./version.ts");
    console.log(version());
    return 0;
  }
  const { parse } = await import("./program.ts");
  return parse(words);
}

// a reader that went away, as in `pawl runs | head -1`: leave as on SIGTERM, without a word
process.stdout.on("error", (error: Error & { readonly code?: string }) => {
  if (error.code !== "EPIPE") throw error;
  if (process.listenerCount("SIGTERM") > 0) process.kill(process.pid, "SIGTERM");
  else process.exit(0);
});

try {
  process.exitCode = await answer(process.argv.slice(2));
} catch (error) {
  if (!isEndingUncaught()) {
    complain(error);
    process.exitCode = exitCodeOfError(error);
  }
}
