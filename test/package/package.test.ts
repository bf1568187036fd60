import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { runProcess } from "../run/process.ts";
import { copyCheckout } from "./checkout-copy.ts";

const root = join(import.meta.dirname, "../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly exports: Record<string, unknown>;
  readonly peerDependencies: Record<string, string>;
};
const entries = Object.keys(manifest.exports).filter((name) => name !== "./package.json");

/** Until the first screen of the README exists there is nothing to install. */
const skip = indexExports("tool") ? false : "src/index.ts does not export `tool` yet";

function indexExports(name: string): boolean {
  const found = readdirSync(join(root, "src")).includes("index.ts");
  return found && new RegExp(`\\b${name}\\b`).test(readFileSync(join(root, "src/index.ts"), "utf8"));
}

const folder = mkdtempSync(join(tmpdir(), "pawl-package-"));
const checkout = join(folder, "checkout");
const project = join(folder, "project");
after(() => rmSync(folder, { recursive: true, force: true }));

/** npm and its scripts run under the Node that runs this test. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}` };

async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { exitCode, output } = await attempt(cwd, command, ...args);
  assert.equal(exitCode, 0, `${command} ${args.join(" ")}:\n${output}`);
  return output;
}

const attempt = (cwd: string, ...command: string[]): ReturnType<typeof runProcess> =>
  runProcess({ command: "sh", args: ["-c", 'cd "$0" && exec "$@"', cwd, ...command], timeLimitMs: 240_000, env });

async function packAndInstall(): Promise<void> {
  copyCheckout(checkout);
  await run(checkout, "npm", "pack", "--loglevel=error", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "no tarball";
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  await run(
    project,
    "npm",
    "install",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    join(folder, tarball),
  );
}

const good = `
import { agent, pawl, tool } from "pawl";
import { sqlite } from "pawl/sqlite";
import { z } from "zod";

const refund = tool({
  name: "refund", version: "1", description: "Refund one charge.",
  inputSchema: z.object({ invoiceId: z.string(), amountUsd: z.number().positive() }),
  effect: "idempotent",
  approval: ({ amountUsd }) => amountUsd > 50,
  execute: async (input, ctx) => ({ refunded: input.amountUsd, key: ctx.idempotencyKey, aborted: ctx.signal.aborted }),
});
const billing = agent({
  name: "billing", model: "anthropic/claude-sonnet-latest",
  instructions: "Settle billing complaints.",
  tools: [refund],
  limits: { turns: 20, costUsd: 0.5 },
});
export async function settle(): Promise<string> {
  const app = pawl({ store: sqlite("pawl.db"), agents: [billing] });
  const run = await app.start(billing, { runId: "ticket-4711", input: "INV-7 was charged twice." });
  for await (const event of run.stream()) {
    switch (event.type) {
      case "text.delta": process.stdout.write(event.text); break;
      case "tool.started": console.log(event.tool, event.input); break;
      case "approval.asked": await app.approvals.approve(event.approvalId, { by: "ada@example.com" }); break;
    }
  }
  const result = await run.result();
  return result.status;
}
`;

const toolWith = (lines: string): string => `
import { tool } from "pawl";
import { z } from "zod";

export const lookup = tool({
  name: "lookup", version: "1", description: "Look up an invoice.",
  inputSchema: z.object({ invoiceId: z.string() }),
  ${lines}
});
`;

const files: { readonly [name: string]: string } = {
  "good.ts": good,
  "right-input.ts": toolWith(
    `effect: "pure", execute: async (input: { invoiceId: string }) => input.invoiceId.length,`,
  ),
  "wrong-input.ts": toolWith(`effect: "pure", execute: async (input: { invoiceId: number }) => input.invoiceId + 1,`),
  "unknown-field.ts": toolWith(`effect: "pure", execute: async (input) => input.invoice,`),
  "no-effect.ts": toolWith("execute: async (input) => input.invoiceId,"),
  "unknown-effect.ts": toolWith(`effect: "maybe", execute: async (input) => input.invoiceId,`),
  "no-reconcile.ts": toolWith(`effect: "reconcilable", execute: async (input) => input.invoiceId,`),
};

/** As a user's own project would: the declarations of the package are checked as well. */
const tsconfig = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    target: "es2024",
    module: "nodenext",
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
  },
  include: ["*.ts"],
};

async function typeCheck(): Promise<Map<string, string>> {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(tsconfig));
  const { output } = await attempt(project, join(root, "node_modules/.bin/tsc"), "-p", ".", "--pretty", "false");
  const byFile = new Map<string, string>();
  let file = "";
  for (const line of output.split("\n").filter((text) => text.trim() !== "")) {
    file = /^(.+?)\(\d+,\d+\): error/.exec(line)?.[1] ?? file;
    byFile.set(file, `${byFile.get(file) ?? ""}${line}\n`);
  }
  return byFile;
}

if (skip === false) before(packAndInstall);

test("every entry is one file at the top of src, and every file there is an entry", { skip }, () => {
  const expected = readdirSync(join(root, "src"))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => (name === "index.ts" ? "." : `./${basename(name, ".ts")}`));
  assert.deepEqual(entries.toSorted(), expected.toSorted());
});

test("the package holds what was built, and no source or test", { skip }, () => {
  const installed = readdirSync(join(project, "node_modules/pawl"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(project, "node_modules/pawl/").length));
  const unexpected = installed.filter(
    (path) =>
      !/^(dist\/.+\.(js|d\.ts|js\.map)|console\/dist\/[\w./-]+\.(html|js|css|svg|woff2)(\.br|\.gz)?|package\.json|README\.md|LICENSE)$/.test(
        path,
      ),
  );
  assert.deepEqual(unexpected, []);
  for (const path of ["dist/index.js", "dist/index.d.ts", "LICENSE", "console/dist/index.html"])
    assert.ok(installed.includes(path), path);
});

/** Packages that whoever wants them installs: as if they were. */
function linkDrivers(): void {
  for (const name of Object.keys(manifest.peerDependencies)) {
    const path = join(project, "node_modules", name);
    if (existsSync(path)) continue;
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(root, "node_modules", name), path);
  }
}

test("every entry can be imported from the installed package", { skip }, async () => {
  linkDrivers();
  for (const entry of entries) {
    const specifier = `pawl${entry.slice(1)}`;
    const script = `const names = Object.keys(await import("${specifier}")); if (names.length === 0) throw new Error("exports nothing"); console.log(import.meta.resolve("${specifier}"));`;
    const output = await run(project, process.execPath, "--input-type=module", "-e", script);
    assert.match(output, /node_modules\/pawl\/dist\/.+\.js\n$/, specifier);
  }
});

test("the command of the package answers", { skip }, async () => {
  assert.match(await run(project, "node_modules/.bin/pawl", "--version"), /\d+\.\d+\.\d+/);
});

test("a correct use compiles, and a wrong one does not", { skip }, async (t) => {
  const problems = await typeCheck();
  const refuses = (name: string, expected: RegExp): Promise<void> =>
    t.test(`${name} is refused`, () => assert.match(problems.get(name) ?? "no error", expected));
  await t.test("the README's first screen and typed arguments compile", () => {
    const others = ["wrong-input.ts", "unknown-field.ts", "no-effect.ts", "unknown-effect.ts", "no-reconcile.ts"];
    assert.deepEqual(
      [...problems].filter(([name]) => !others.includes(name)),
      [],
    );
  });
  await refuses("wrong-input.ts", /'string' is not assignable to type 'number'/);
  await refuses("unknown-field.ts", /Property 'invoice' does not exist/);
  await refuses("no-effect.ts", /effect/);
  await refuses("unknown-effect.ts", /"maybe"/);
  await refuses("no-reconcile.ts", /reconcile/);
});
