import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { offered } from "pawl";
import { clientsMissing } from "../run/client-packages.ts";
import { served } from "../gateway/served.ts";
import { fixtureTools } from "./conformance-tools.ts";

const skip = clientsMissing();
const suite = join(import.meta.dirname, "../clients/node_modules/@modelcontextprotocol/conformance/dist/index.js");
const leftOutFile = join(import.meta.dirname, "conformance.json");

/** Scenarios that do not pass, each with its reason. A scenario that is listed and passes fails the test. */
async function leftOut(part: "client" | "server"): Promise<readonly string[]> {
  const listed = JSON.parse(await readFile(leftOutFile, "utf8")) as {
    readonly [part: string]: { readonly [name: string]: string };
  };
  for (const [name, reason] of Object.entries(listed[part] ?? {}))
    assert.ok(reason.length > 20, `${name} has a reason`);
  return Object.keys(listed[part] ?? {}).toSorted((a, b) => a.localeCompare(b));
}

async function results(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-conformance-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** What the suite prints. Its exit code only says whether all passed. */
async function conformance(args: readonly string[]): Promise<string> {
  const done = Promise.withResolvers<string>();
  const root = join(import.meta.dirname, "../..");
  execFile(process.execPath, [suite, ...args], { cwd: root, timeout: 120_000 }, (_error, stdout, stderr) =>
    done.resolve(`${stdout}\n${stderr}`),
  );
  return done.promise;
}

test("server scenarios pass, but for those that are listed with their reason", { skip }, async (t) => {
  const agents = fixtureTools.map((one) => offered(one));
  const { url } = await served(t, { agents, openTo: { tenant: "acme", principal: "suite" } });
  const said = await conformance(["server", "-o", await results(t), "--url", `${url}/mcp`, "--suite", "all"]);
  const failed = [...said.matchAll(/^✗ ([\w-]+):/gm)].map(([, name]) => name ?? "");
  const passed = [...said.matchAll(/^✓ ([\w-]+):/gm)].map(([, name]) => name);
  assert.deepEqual(
    failed.toSorted((a, b) => a.localeCompare(b)),
    await leftOut("server"),
    said.slice(-3_000),
  );
  assert.equal(passed.length + failed.length, 32);
});

test("client scenarios pass, but for those that are listed with their reason", { skip }, async (t) => {
  const scenarios = [...(await conformance(["list", "--client"])).matchAll(/^ {2}- (\S+) /gm)].map(
    ([, name]) => name ?? "",
  );
  assert.equal(scenarios.length, 26);
  const command = `${process.execPath} -C pawl-source test/mcp/conformance-process.ts`;
  const folder = await results(t);
  const failed: string[] = [];
  for (const scenario of scenarios) {
    const said = await conformance(["client", "-o", folder, "--command", command, "--scenario", scenario]);
    if (!said.includes("OVERALL: PASSED")) failed.push(scenario);
  }
  assert.deepEqual(
    failed.toSorted((a, b) => a.localeCompare(b)),
    await leftOut("client"),
  );
});
