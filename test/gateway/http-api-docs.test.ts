import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProcess } from "../run/process.ts";
import { serve } from "./serving.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/http-api.md"), "utf8");

/** The shell lines of the page, one command each. */
function commandsOf(text: string): readonly string[] {
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
    block
      .replaceAll("\\\n", " ")
      .split("\n")
      .filter((line) => line !== ""),
  );
}

const hasCurl = spawnSync("curl", ["--version"]).status === 0;
const options = hasCurl ? {} : { skip: "curl is not on this machine" };

test("every curl line of docs/http-api.md does what the page says, in its order", options, async (t) => {
  const { url, keyFor, done } = await serve(t);
  const { key } = await keyFor("acme", ["run", "review", "operate"]);
  const commands = commandsOf(page);
  assert.equal(commands.length, 11);
  const outputs: string[] = [];
  for (const command of commands) {
    const { exitCode, output } = await runProcess({
      command: "sh",
      args: ["-c", command.replace("curl ", "curl --fail-with-body ")],
      env: { ...process.env, URL: url, KEY: key },
      timeLimitMs: 30_000,
    });
    assert.equal(exitCode, 0, `${command}\n${output}`);
    outputs.push(output);
  }
  assert.match(outputs[1] ?? "", /"status":"awaiting_approval"/);
  assert.match(outputs[2] ?? "", /"approvalId":"ticket-4711:t0-1"/);
  assert.match(outputs[4] ?? "", /event: end\n/);
  assert.match(outputs[6] ?? "", /"status":"done"/);
  assert.match(outputs[8] ?? "", /"runId":"ticket-4711"/);
  assert.deepEqual(done, ["refund INV-7 40"]);
});
