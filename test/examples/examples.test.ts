import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const folder = join(import.meta.dirname, "../../examples");

/** What a reader sees of each example, and would miss if it broke. */
const expected: { readonly [example: string]: readonly RegExp[] } = {
  "approval.ts": [
    /^awaiting_approval \[ 'ticket-2:t0-0' \]$/m,
    /completed INV-7: refunded 60 USD/,
    /decided already: approve by ada@example\.com/,
  ],
  "built-in-tools.ts": [
    /^\{"columns":\["customer","total"\],"rows":\[\["Ada",21\],\["Grace",9\]\]\}$/m,
    /^\{"known":\[\{.*largest first.*\],"untrusted":\[\]\}$/m,
    /^totals\.md: Ada 21, Grace 9$/m,
  ],
  "cancel.ts": [/^step returned$/m, /^cancelled no longer needed$/m, /run "job-1" is cancelled/],
  "child-runs.ts": [/^completed 12$/m, /^words count-words completed$/m],
  "durable-function.ts": [/paid: 'charged once under order-1:t0-1'/, /^same run: true$/m],
  "effects.ts": [/refunded under ticket-1:t0-1/, /A-7 is on its way/, /mail: .*nothing was sent/],
  "graph-map-reduce.ts": [/^completed \{\s+files: \d+,\s+lines: \d{3,}/],
  "graph-react.ts": [/^tool .*snow.*sun/m, /^assistant .*Snow in Oslo, sun in Rome\./m],
  "handoff.ts": [
    /completed Refunded\. I was told: .*Refund INV-7.*user: I was charged twice\./,
    /^billing completed$/m,
  ],
  "hello-agent.ts": [/completed The answer is 42\./],
  "model-pool.ts": [
    /^day 1: first MODEL_UNAVAILABLE$/m,
    /^day 20: completed$/m,
    /^first open$/m,
    /^second closed$/m,
    /second 20$/m,
  ],
  "nested-ask.ts": [/^awaiting_approval Allow pay\?.* true$/m, /^completed It is paid\.$/m],
  "own-store.ts": [/^. fail 0$/m, /appended more than 100 times/],
  "quorum.ts": [/"ada" started the run/, /^missing 1$/m, /^missing 0$/m, /^completed C-7 is gone$/m],
  "team.ts": [
    /^facts:active figures:active writer:open$/m,
    /^facts:done figures:done writer:done$/m,
    /^completed Ada runs it/m,
  ],
};

// a child of the test runner would speak the runner's own protocol
const { NODE_TEST_CONTEXT: _inherited, ...environment } = process.env;

const examples = readdirSync(folder).filter((name) => name.endsWith(".ts") && name !== "temporary-folder.ts");

test("every example says here what a reader sees of it", () => {
  assert.deepEqual(examples, Object.keys(expected));
});

for (const name of examples) {
  test(`examples/${name} runs, stays under 40 lines and prints what it promises`, () => {
    const lines = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
    assert.ok(lines.length < 40, `${name} has ${lines.length} lines`);
    const run = spawnSync(process.execPath, ["-C", "pawl-source", join(folder, name)], {
      encoding: "utf8",
      timeout: 60_000,
      env: environment,
    });
    assert.equal(run.status, 0, run.stderr);
    for (const pattern of expected[name] ?? []) assert.match(run.stdout, pattern);
  });
}
