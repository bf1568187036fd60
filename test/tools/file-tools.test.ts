import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { limits } from "../../src/core/limits.ts";
import type { ToolContext } from "../../src/core/tool-contract.ts";
import { readFileTool, writeFileTool } from "../../src/tools/builtin/file-tools.ts";
import { callTool } from "./call-tool.ts";
import { tempFolder } from "./temp-folder.ts";

type Answer = { [name: string]: unknown };

function toolsOf(root: string, context: Partial<ToolContext> = {}) {
  const tools = [readFileTool({ root }), writeFileTool({ root })];
  return {
    read: async (path: string, start = 0) => (await callTool(tools, "read_file", { path, start }, context)) as Answer,
    write: async (path: string, content: string, replaces?: string, more = context) =>
      (await callTool(tools, "write_file", { path, content, ...(replaces && { replaces }) }, more)) as Answer,
  };
}

const refused = (message: RegExp): { name: string; message: RegExp } => ({ name: "NotApplied", message });

test("files are read, listed and written below a folder", async (t) => {
  const root = tempFolder(t, { "a.md": "# A", "sub/b.txt": "b", ".secret": "x", "big.txt": "x".repeat(30_000) });
  const { read, write } = toolsOf(root);
  assert.deepEqual(await read(""), { names: ["a.md", "big.txt", "sub/"] });
  assert.deepEqual(await read("sub/"), { names: ["b.txt"] });
  assert.equal((await read("./a.md")).text, "# A");
  const part = await read("big.txt");
  assert.equal(part.next, limits.partChars);
  assert.equal(String((await read("big.txt", limits.partChars)).text).length, 10_000);
  assert.equal((await write("new/deep/c.md", "hällo")).bytes, 6);
  assert.equal(readFileSync(join(root, "new/deep/c.md"), "utf8"), "hällo");
  assert.deepEqual(readdirSync(join(root, "new/deep")), ["c.md"]);
});

test("a file that is there is replaced only by who has read what is in it", async (t) => {
  const root = tempFolder(t, { "a.md": "one" });
  const { read, write } = toolsOf(root);
  await assert.rejects(write("a.md", "two"), refused(/read it and give its version/));
  const { version } = await read("a.md");
  await write("a.md", "two", String(version));
  await assert.rejects(write("a.md", "three", String(version)), refused(/has changed since/));
  await assert.rejects(write("gone.md", "x", String(version)), refused(/not there any more/));
  assert.equal(readFileSync(join(root, "a.md"), "utf8"), "two");
});

test("a repeat of a write does nothing, and what an attempt left behind is nobody's hindrance", async (t) => {
  const root = join(tempFolder(t), "made/by/the/first");
  const { write } = toolsOf(root);
  const first = await write("a.md", "one");
  assert.deepEqual(await write("a.md", "one"), { ...first, isUnchanged: true });
  const both = await Promise.allSettled(
    ["x", "y"].map((content, i) => write("race.md", content, undefined, { idempotencyKey: `key-${i}` })),
  );
  const statuses = both.map(({ status }) => status).toSorted();
  assert.deepEqual(statuses, ["fulfilled", "rejected"]);
  assert.deepEqual(readdirSync(root).toSorted(), ["a.md", "race.md"]);
});

test("E.3-32: no path leads out of the folder", async (t) => {
  const base = tempFolder(t, { "outside.txt": "secret", "root/in.txt": "in" });
  const { read, write } = toolsOf(join(base, "root"));
  const paths = [
    "../outside.txt",
    "a/../../outside.txt",
    "..",
    "x/..",
    "a//b",
    "a/./b",
    "..\\outside.txt",
    ".ssh/key",
    "a\u0000.txt",
    ".env",
    `${"d/".repeat(40)}x`,
  ];
  for (const path of paths) {
    await assert.rejects(read(path), refused(/may not be used/), path);
    await assert.rejects(write(path, "x"), refused(/may not be used/), path);
  }
  await assert.rejects(read(join(base, "outside.txt")), refused(/there is no/));
  assert.deepEqual(readdirSync(base).toSorted(), ["outside.txt", "root"]);
});

test("E.3-32: links are not followed, neither as a file nor on the way", async (t) => {
  const base = tempFolder(t, { "outside/secret.txt": "secret", "root/in.txt": "in" });
  const root = join(base, "root");
  symlinkSync(join(base, "outside"), join(root, "folder"));
  symlinkSync(join(base, "outside/secret.txt"), join(root, "file.txt"));
  symlinkSync(join(base, "nowhere.txt"), join(root, "dangling.txt"));
  const { read, write } = toolsOf(root);
  for (const path of ["folder/secret.txt", "file.txt", "folder", "dangling.txt"]) {
    await assert.rejects(read(path), refused(/link/), path);
    await assert.rejects(write(path, "x"), refused(/link/), path);
  }
  await assert.rejects(write("folder/new/x.txt", "x"), refused(/link/));
  assert.deepEqual(await read(""), { names: ["in.txt"] });
  assert.equal(readFileSync(join(base, "outside/secret.txt"), "utf8"), "secret");
  assert.deepEqual(readdirSync(join(base, "outside")), ["secret.txt"]);
  assert.equal(existsSync(join(base, "nowhere.txt")), false);
});

test(
  "E.3-33: a folder that is swapped for a link while it is used leads nowhere else",
  { skip: process.platform !== "linux" },
  async (t) => {
    const base = tempFolder(t, { "outside/a.txt": "secret", "root/sub/a.txt": "inside" });
    const root = join(base, "root");
    const sub = join(root, "sub");
    const { read, write } = toolsOf(root);
    let isSwapping = true;
    renameSync(sub, join(root, "kept"));
    // a write may make the folder in the moment that it is missing
    const put = (make: () => void): void => {
      for (let isPut = false; !isPut;) {
        rmSync(sub, { recursive: true, force: true });
        try {
          make();
          isPut = true;
        } catch {}
      }
    };
    const swapping = (async () => {
      while (isSwapping) {
        put(() => symlinkSync(join(base, "outside"), sub));
        await new Promise(setImmediate);
        put(() => renameSync(join(root, "kept"), sub));
        await new Promise(setImmediate);
        if (isSwapping) renameSync(sub, join(root, "kept"));
      }
    })();
    const seen = new Set<string>();
    for (let i = 0; i < 300; i++) {
      seen.add(
        await read("sub/a.txt").then(
          ({ text }) => String(text),
          () => "refused",
        ),
      );
      await write(`sub/w${i}.txt`, "x", undefined, { idempotencyKey: `key-${i}` }).catch(() => null);
    }
    isSwapping = false;
    await swapping;
    assert.deepEqual(
      ["secret", "inside", "refused"].filter((text) => seen.has(text)),
      ["inside", "refused"],
    );
    assert.deepEqual(readdirSync(join(base, "outside")), ["a.txt"]);
  },
);

test("what is no text, too large, a folder or not granted is said so", async (t) => {
  const root = tempFolder(t, {
    "bin.dat": new Uint8Array([0xff, 0xfe, 0]),
    "big.bin": new Uint8Array(limits.toolFileBytes + 1),
  });
  mkdirSync(join(root, "dir"));
  writeFileSync(join(root, "my file.txt"), "x");
  const { read, write } = toolsOf(root);
  await assert.rejects(read("bin.dat"), refused(/no text in UTF-8/));
  await assert.rejects(read("big.bin"), refused(/up to 4194304 can be read/));
  await assert.rejects(read("none.txt"), refused(/there is no "none.txt"/));
  await assert.rejects(write("dir", "x"), refused(/is a folder/));
  await assert.rejects(write("my file.txt/x", "x"), refused(/through a file or a link/));
  const asked: string[] = [];
  const may = (capability: string): boolean => asked.push(capability) < 0;
  await assert.rejects(toolsOf(root, { may }).read("my file.txt"), refused(/not granted/));
  assert.deepEqual(asked, [`fs:${root}/my%20file.txt`]);
  assert.throws(() => readFileTool({ root: "" }), { code: "OPTION_INVALID" });
  assert.deepEqual(writeFileTool({ root }).capabilities, [`fs:${root}`]);
});
