import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { isolations, type SandboxFile } from "../../src/core/sandbox-contract.ts";
import { changed, checkFiles, packed, unpacked } from "../../src/sandbox/archive.ts";
import { seccompProgram } from "../../src/sandbox/seccomp.ts";
import { sandbox, bubblewrap, quickJs, type BoxEngine } from "pawl/sandbox";
import { skipWithout } from "../run/system-packages.ts";

const run = promisify(execFile);
const attempts = fileURLToPath(new URL("attempts.ts", import.meta.url));
const node = [process.execPath, "-C", "pawl-source", attempts];
const isRoot = process.getuid?.() === 0;
const skip = skipWithout("bwrap");
const never = new AbortController().signal;

interface Attempt {
  readonly engine: string;
  readonly kind: string;
  readonly name: string;
  readonly held: boolean;
  readonly seen: string;
}

async function allHeld(command: readonly string[]): Promise<void> {
  const [file = "", ...args] = command;
  const { stdout } = await run(file, args, { maxBuffer: 16_777_216, timeout: 240_000 });
  const found = JSON.parse(stdout) as readonly Attempt[];
  const leaks = found
    .filter(({ held }) => !held)
    .map(({ engine, kind, name, seen }) => `${engine} ${kind} ${name}: ${seen}`);
  assert.deepEqual(leaks, []);
  const tried = new Set(found.map(({ engine, kind }) => `${engine} ${kind}`));
  for (const one of ["bubblewrap shell", "bubblewrap python", "quickjs-wasi javascript"])
    assert.ok(tried.has(one), one);
  await assert.rejects(run("pgrep", ["-f", "3.14159"]), "a process of a box is left");
}

describe("the sandbox holds", { skip }, () => {
  it("for whoever runs the tests", () => allHeld(node));
  it("for an ordinary user", { skip: isRoot ? false : "the test above ran as one" }, () =>
    allHeld(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", ...node]),
  );
});

describe("the sandbox", { skip }, () => {
  it("brings files in and out, and says what it really keeps apart", async () => {
    const box = await sandbox();
    const files = [{ path: "data/in.csv", bytes: Buffer.from("a,b\n1,2\n") }];
    const code =
      "import csv, os\nrows = list(csv.DictReader(open('data/in.csv')))\nopen('sum.txt', 'w').write(str(rows))\nprint(os.getcwd(), rows)";
    const result = await box.run("python", code, files, { signal: never });
    assert.equal(result.exitCode, 0, result.stderr);
    assert.deepEqual(
      result.artifacts.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]),
      [["sum.txt", "[{'a': '1', 'b': '2'}]"]],
    );
    assert.deepEqual(Object.keys(result.report.enforces), [...isolations]);
    assert.ok(Object.values(result.report.enforces).every(Boolean), JSON.stringify(result.report));
    const script = await box.run(
      "javascript",
      "writeFile('n.txt', String(listFiles().length)); console.log({ a: [1] }); throw new TypeError('bad')",
      files,
      { signal: never },
    );
    assert.equal(script.stdout, '{"a":[1]}\n');
    assert.match(script.stderr, /TypeError: bad/);
    assert.deepEqual([script.exitCode, script.artifacts.map(({ path }) => path)], [1, ["n.txt"]]);
    await box.close();
  });
  it("ends a run whose caller has gone", async () => {
    const box = await sandbox({ engines: [bubblewrap] });
    const result = await box.run("shell", "sleep 300", [], { signal: AbortSignal.timeout(300) });
    assert.deepEqual([result.exitCode, result.cut], [null, ["ended by its caller"]]);
  });
  it("runs nothing where no engine keeps apart what is required, and says why", async () => {
    const open: BoxEngine = {
      ...bubblewrap,
      name: "open",
      kinds: ["shell"],
      run: (kind, code, files, options) =>
        bubblewrap.run(kind, code.includes("/proc/self/status") ? "echo looked" : code, files, options),
    };
    const box = await sandbox({ engines: [open, quickJs] });
    await assert.rejects(box.run("shell", "true", [], { signal: never }), {
      code: "SANDBOX_MISSING",
      message: /open \(shell\): does not keep apart: files/,
    });
    await assert.rejects(box.run("python", "1", [], { signal: never }), {
      code: "SANDBOX_MISSING",
      message: /apt-get install bubblewrap/,
    });
    await box.close();
    const absent: BoxEngine = { ...bubblewrap, missing: () => Promise.resolve("not installed") };
    const none = await sandbox({ engines: [absent] });
    await assert.rejects(none.run("shell", "true", [], { signal: never }), { message: /not installed/ });
  });
  it("refuses options and files that it does not know", async () => {
    await assert.rejects(sandbox({ limits: { wallMs: 0 } }), { code: "OPTION_INVALID" });
    await assert.rejects(sandbox({ requires: ["everything" as never] }), { code: "OPTION_INVALID" });
  });
});

describe("archives", () => {
  const file = (path: string, text = "x"): SandboxFile => ({ path, bytes: Buffer.from(text) });
  it("keep what goes through them", () => {
    const files = [file("a"), file(`${"d".repeat(90)}/${"n".repeat(90)}`, ""), file("ä/ö", "y".repeat(1_000))];
    assert.deepEqual(
      unpacked(packed(files)).files.map(({ path, bytes }) => [path, bytes.byteLength]),
      files.map(({ path, bytes }) => [path, bytes.byteLength]),
    );
    assert.deepEqual(changed(unpacked(packed(files)).files, files), []);
  });
  for (const name of ["", "/a", "../a", "a/../b", "a//b", "./a", "a\\b", "a\0b", "a\nb", `${"x".repeat(200)}`])
    it(`refuse the name ${JSON.stringify(name.slice(0, 20))}`, () =>
      assert.throws(() => checkFiles([file(name)], 100), { code: "SANDBOX_INPUT_INVALID" }));
  it("refuse names given twice and too much", () => {
    assert.throws(() => checkFiles([file("a"), file("a")], 100), { code: "SANDBOX_INPUT_INVALID" });
    assert.throws(() => checkFiles([file("a", "xxxx")], 3), { code: "SANDBOX_INPUT_INVALID" });
  });
  it("pass over links, devices, names that leave, and whatever is broken", () => {
    const lies = packed([file("ok"), file("link"), file("up")]);
    lies[512 * 2 + 156] = "2".charCodeAt(0);
    lies.write("../../up\0", 512 * 4);
    const { files, skipped } = unpacked(lies);
    assert.deepEqual(
      files.map(({ path }) => path),
      ["ok"],
    );
    assert.equal(skipped.length, 2);
    for (let cut = 0; cut < lies.length; cut += 97) assert.ok(unpacked(lies.subarray(0, cut)).files.length <= 1);
    for (let at = 0; at < 2_048; at++) {
      const bent = Buffer.from(lies);
      bent[at] = 0xff;
      for (const { path } of unpacked(bent).files) assert.ok(!path.includes(".."), path);
    }
  });
});

describe("the list of refused system calls", () => {
  it("jumps nowhere but to its own ends", () => {
    for (const arch of ["x64", "arm64"]) {
      const bytes = seccompProgram(arch);
      assert.ok(bytes !== null && bytes.length % 8 === 0);
      const size = bytes.length / 8;
      for (let i = 0; i < size; i++) {
        if ((bytes.readUInt16LE(i * 8) & 7) !== 5) continue;
        for (const at of [bytes[i * 8 + 2] ?? 0, bytes[i * 8 + 3] ?? 0]) assert.ok(i + 1 + at < size);
        const isDeny = i > 4 && i < size - 8;
        if (isDeny)
          assert.equal(bytes.readUInt32LE((i + 1 + (bytes[i * 8 + 2] ?? 0)) * 8 + 4), 0x0005_0001, `${arch} ${i}`);
      }
    }
    assert.equal(seccompProgram("mips"), null);
  });
});
