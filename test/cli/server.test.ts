import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { traceIndex } from "pawl/traces";
import { serve } from "../gateway/serving.ts";
import { runProcess, type ProcessOutcome } from "../run/process.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");

test("with --server the commands act on a gateway's runs: run, show, decide, resolve, steer, list", async (t) => {
  const { url, key, done } = await serve(t);
  const pawl = (words: readonly string[], env: NodeJS.ProcessEnv = { PAWL_KEY: key }): Promise<ProcessOutcome> =>
    runProcess({
      command: process.execPath,
      args: ["-C", "pawl-source", main, ...words, "--server", url],
      env: { ...process.env, NO_COLOR: "1", ...env },
      timeLimitMs: 60_000,
    });
  const says = async (exitCode: number, pattern: RegExp, ...words: readonly string[]): Promise<string> => {
    const outcome = await pawl(words);
    assert.equal(outcome.exitCode, exitCode, `${words.join(" ")}\n${outcome.output}`);
    assert.match(outcome.output, pattern);
    return outcome.output;
  };
  await says(0, /A line, written\.[\s\S]*completed/, "run", "writer", "Go.", "--run-id", "w");
  const asked = await says(3, /approve b:t0-1 --server/, "run", "billing", "INV-7 twice.", "--run-id", "b");
  assert.match(asked, /b waits for a person/);
  await says(0, /refund .*INV-7[\s\S]*approve b:t0-1/, "approvals");
  await says(
    0,
    /^approved\.\n.* show b --server/,
    "approve",
    "b:t0-1",
    "--edit",
    '{"invoiceId":"INV-7","amountUsd":40}',
  );
  await says(1, /APPROVAL_DECIDED/, "reject", "b:t0-1");
  await says(3, /resolve p t0-1 happened --seq/, "run", "post", "Write.", "--run-id", "p");
  await says(0, /send_letter/, "effects");
  await says(0, /p goes on: t0-1 happened/, "resolve", "p", "t0-1", "happened");
  assert.deepEqual(done, ["refund INV-7 40", "letter Ada"]);
  await says(0, /unknown|done/, "effects", "p");
  await says(0, /approve by acme-user \(--yes\)[\s\S]*completed/, "run", "billing", "Again.", "--run-id", "y", "--yes");
  await says(0, /w +completed .* writer/, "runs", "--status", "completed");
  await says(0, /w writer completed[\s\S]*A line, written/, "show", "w");
  await says(0, /run u/, "run", "waiter", "--input", '{"name":"go"}', "--run-id", "u", "--detach");
  await says(0, /parks/, "pause", "u");
  await says(0, /may go on/, "resume", "u");
  await says(0, /reads it/, "message", "u", "Hello.");
  await says(0, /asked to end/, "cancel", "u");
  await says(2, /Say --yes/, "runs", "delete", "w");
  await says(0, /^w is gone\.$/m, "runs", "delete", "w", "--yes");
  await says(1, /RUN_NOT_ENDED|RUN_UNKNOWN/, "runs", "delete", "u", "w", "--yes");
  await says(1, /RUN_UNKNOWN/, "show", "nosuch");
  await says(0, /test\/writer +test\/writer .*answers, first part after/, "models", "--ask");
  await says(0, /answered/, "models", "check");
  await says(
    0,
    /gateway +http.* is ready\n✓ key +acme-user of tenant "acme"[\s\S]*agents +.*writer[\s\S]*TRACES_OFF/,
    "doctor",
  );
  await says(0, /refund@1[\s\S]*decided +approve by acme-user/, "reviews", "show", "b:t0-1");
  await says(2, /--model does not go with --server/, "run", "writer", "Go.", "--model", "offline/extractive");
  await says(1, /TRACES_OFF/, "traces");
  await says(2, /"verify" does not take --server/, "verify");
  await says(2, /--db does not go with --server/, "runs", "--db", "x.db");
  const wrong = await pawl(["runs"], { PAWL_KEY: "pawl_wrong" });
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.output, /AUTH_INVALID/);
});

test("with --server the traces of a gateway are searched, shown, explained and summed as local ones are", async (t) => {
  const { url, key, server } = await serve(t, {
    traces: (store, folder) => traceIndex({ store, path: join(folder, "traces.db") }),
    budgets: [{ name: "each-user", scope: "user", window: "month", costUsd: 5 }],
  });
  const says = async (pattern: RegExp, ...words: readonly string[]): Promise<void> => {
    const { output, exitCode } = await runProcess({
      command: process.execPath,
      args: ["-C", "pawl-source", main, ...words, "--server", url],
      env: { ...process.env, NO_COLOR: "1", PAWL_KEY: key },
      timeLimitMs: 60_000,
    });
    assert.equal(exitCode, 0, output);
    assert.match(output, pattern);
  };
  await says(/approve b:t0-1/, "run", "billing", "INV-7 twice.", "--run-id", "b", "--detach").catch(() => undefined);
  await server.gateway.app.run("b", "acme").result();
  await server.gateway.traces?.catchUp();
  await says(/RUN +STATUS[\s\S]*\nb +awaiting_approval .* billing/, "traces", "--agent", "billing", "--since", "1h");
  await says(/^… run billing[\s\S]*tool t0-1 refund/, "traces", "show", "b");
  await says(/invoiceId from goal/, "traces", "why", "b", "t0-1");
  await says(/nothing failed/, "traces", "errors");
  await says(/REQUEST +BILLED.*\nb +1 /, "traces", "cost", "--by", "request");
  await says(/MODEL +BILLED.*\ntest\/billing +1 /, "usage", "--by", "model", "--agent", "billing");
  await says(/nothing was billed/, "usage", "--agent", "writer");
  await says(/kept results +0 hits[\s\S]*of all 1 run/, "usage", "--savings");
  await says(/each-user +user +month, .* cost +\$5\.00/, "budgets");
  await says(/each-user .* cost +\$7\.00 .* set by acme-user/, "budgets", "set", "each-user", "--usd", "7");
  await says(/"cap":7000000000,/, "budgets", "list", "--json");
  await says(/each-user .* cost +\$5\.00 .* hard *$/m, "budgets", "set", "each-user", "--declared");
  await says(/CALL +BILLED.*\nb:t0-0 +1 .*\n∑ +1 /, "traces", "cost", "b", "--by", "call");
});

test("a --server that is no address, or where nothing answers, is said in one line", async () => {
  const pawl = (server: string): Promise<ProcessOutcome> =>
    runProcess({
      command: process.execPath,
      args: ["-C", "pawl-source", main, "runs", "--server", server],
      timeLimitMs: 60_000,
    });
  assert.match((await pawl("ftp://x")).output, /OPTION_INVALID: --server is "ftp:\/\/x"/);
  assert.match((await pawl("http://127.0.0.1:1")).output, /SERVER_UNREACHABLE: nothing answers/);
});
