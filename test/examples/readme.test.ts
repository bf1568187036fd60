import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startWireServer } from "../../src/testing/wire-server.ts";

const { NODE_TEST_CONTEXT: _inherited, ...environment } = process.env;
const root = join(import.meta.dirname, "../..");

/** What the example imports beside Pawl: the reader's own payments. */
const billing = `export const payments = { refund: (input, { key }) => ({ refunded: input.amountUsd, key }) };`;

function exampleOf(readme: string): string {
  const code = /## What you write\s+```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  assert.ok(code !== undefined, "README.md has no example under “What you write”");
  return code;
}

/** Runs a file with the sources of this checkout; the environment names the local provider. */
function runFile(
  file: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["-C", "pawl-source", file], {
      cwd,
      env: { ...environment, ...env },
      timeout: 60_000,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (text: Buffer) => (stdout += text.toString()));
    child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

test("the README's example runs as it stands: it refunds through an approval and ends", async () => {
  const server = await startWireServer([
    { toolCalls: [{ id: "a", name: "refund", arguments: '{"invoiceId":"INV-7","amountUsd":80}' }] },
    { text: "INV-7 was refunded." },
  ]);
  // inside the package, so that `import "pawl"` finds it by its own name
  mkdirSync(join(root, ".tmp"), { recursive: true });
  const folder = mkdtempSync(join(root, ".tmp", "readme-"));
  try {
    writeFileSync(join(folder, "billing.ts"), billing);
    const ending = `\nconsole.log("\\n" + result.status, "output" in result ? result.output : result);\nawait app.close();\n`;
    writeFileSync(join(folder, "example.ts"), exampleOf(readFileSync(join(root, "README.md"), "utf8")) + ending);
    const run = await runFile(join(folder, "example.ts"), folder, {
      ANTHROPIC_API_KEY: "test",
      ANTHROPIC_BASE_URL: server.baseUrl("anthropic"),
    });
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stdout, /refund \{ invoiceId: 'INV-7', amountUsd: 80 \}/);
    assert.match(run.stdout, /completed INV-7 was refunded\./);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await server.close();
  }
});
