import assert from "node:assert/strict";
import { after, test } from "node:test";
import { quickJs, sandbox } from "pawl/sandbox";
import type { Sandbox } from "../../src/core/sandbox-contract.ts";
import { runCode } from "../../src/tools/builtin/run-code.ts";
import { callTool } from "./call-tool.ts";
import { toolContext } from "./tool-context.ts";

interface Ran {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly cut?: readonly string[];
  readonly files?: readonly { path: string; bytes: number; artifact: string }[];
  readonly sandbox: { readonly engine: string; readonly enforces: { readonly network: boolean } };
}

const box: Sandbox = await sandbox({ requires: ["network"] });
after(() => box.close());
const context = toolContext();

async function ran(kind: string, code: string, files: readonly object[] = [], options = {}): Promise<Ran> {
  const tool = runCode({ sandbox: box, ...options });
  return (await callTool([tool], "run_code", { kind, code, files } as never, context)) as unknown as Ran;
}

test("code runs in the sandbox, and what keeps it apart is part of the result", async () => {
  const { exitCode, stdout, sandbox: of } = await ran("javascript", "console.log(6 * 7)");
  assert.deepEqual([exitCode, stdout.trim(), of.enforces.network], [0, "42", true]);
  const failed = await ran("javascript", "throw new Error('no such luck')");
  assert.notEqual(failed.exitCode, 0);
  assert.match(failed.stderr, /no such luck/);
});

test("files go in, what is left is an artifact, and a later call takes it", async () => {
  const code = "writeFile('out/sum.txt', String(readFile('in.txt').length)); writeFile('same.txt', readFile('in.txt'))";
  const first = await ran("javascript", code, [{ path: "in.txt", text: "four" }]);
  const made = Object.fromEntries((first.files ?? []).map(({ path, artifact }) => [path, artifact]));
  assert.ok(made["out/sum.txt"] !== undefined, JSON.stringify(first));
  const second = await ran("javascript", "console.log(readFile('sum.txt'))", [
    { path: "sum.txt", artifact: made["out/sum.txt"] },
  ]);
  assert.equal(second.stdout.trim(), "4");
  await assert.rejects(ran("javascript", "1", [{ path: "a", artifact: "f".repeat(32) }]), /there is no artifact/);
  await assert.rejects(ran("javascript", "1", [{ path: "a" }]), { name: "NotApplied" });
  await assert.rejects(ran("javascript", "1", [{ path: "../a", text: "x" }]), { name: "NotApplied" });
});

test(
  "Python and shell run where this machine can keep them apart",
  { skip: box.reports.python === undefined },
  async () => {
    const python = await ran("python", "open('n.txt', 'w').write(str(sum(range(10))))\nprint('done')");
    assert.equal(python.stdout, "done\n");
    assert.deepEqual(
      python.files?.map(({ path, bytes }) => [path, bytes]),
      [["n.txt", 2]],
    );
    const artifact = python.files?.[0]?.artifact ?? "";
    assert.equal((await ran("shell", "cat n.txt", [{ path: "n.txt", artifact }])).stdout, "45");
  },
);

test("long output is shown by its beginning and its end", async () => {
  const { stdout } = await ran("javascript", "console.log('a' + 'x'.repeat(30000) + 'z')");
  assert.ok(stdout.length < 11_000, String(stdout.length));
  assert.match(stdout, /^ax+\n\[\d+ characters left out\]\nx+z\n$/);
});

test("code without a network is pure; with hosts a call is once and asks for them", async (t) => {
  const plain = runCode({ sandbox: box });
  assert.deepEqual([plain.effect, plain.capabilities], ["pure", []]);
  const reaching = runCode({ sandbox: box, hosts: ["api.example.com"] });
  assert.deepEqual(
    [reaching.effect, reaching.capabilities, reaching.flow],
    ["once", ["net:api.example.com"], undefined],
  );
  const small = await sandbox({ engines: [quickJs], requires: [] });
  t.after(() => small.close());
  assert.throws(() => runCode({ sandbox: small, kinds: ["python"] }), { code: "OPTION_INVALID" });
  await assert.rejects(callTool([runCode({ sandbox: small })], "run_code", { kind: "python", code: "1" }), /refused/);
});
