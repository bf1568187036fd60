import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { errorTable } from "../src/core/error-table.ts";
import { errorDocProblems } from "./house/error-docs.ts";
import * as rules from "./house/rules.ts";
import { type Ratchet, sizeProblems, sizeReport } from "./house/size.ts";
import { parseSource } from "./house/source.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const find = (pattern: string): string[] => globSync(pattern, { cwd: root }).map((path) => path.replaceAll("\\", "/"));

const sources = find("src/**/*.ts")
  .toSorted()
  .map((path) => parseSource(path, read(path)));
const consoleFiles = find("console/src/**/*.{ts,tsx}").map((path) => ({
  path,
  lines: read(path).split("\n").length - 1,
}));

const claims: { readonly [claim: string]: rules.Rule } = {
  "imports go down the stairs": rules.importsGoDownTheStairs,
  "no file imports itself through others": rules.noImportCycles,
  "there are no default exports": rules.noDefaultExports,
  "there is no export *": rules.noExportStar,
  "only entry files re-export": rules.onlyEntriesReExport,
  "nothing has the type any": rules.noAny,
  "files are named for the one thing they hold": rules.noCatchAllNames,
  "core imports nothing": rules.coreImportsNothing,
  "core has no clock, no randomness and no I/O": rules.coreIsPure,
  "a driver is imported in its one file": rules.driversStayInTheirFile,
};

const none = (problems: readonly string[]): void => {
  if (problems.length > 0) assert.fail(["", ...problems].join("\n"));
};

for (const [claim, rule] of Object.entries(claims)) {
  test(`house: ${claim}`, () => {
    assert.ok(sources.length > 0, "no sources were read");
    none(rule(sources));
  });
}

test("house: files and functions keep their size", (t) => {
  for (const line of sizeReport(sources)) t.diagnostic(line);
  none(sizeProblems([...sources, ...consoleFiles], JSON.parse(read("test/house.ratchet.json")) as Ratchet));
});

test("house: docs/errors.md and the error table say the same", () => {
  none(errorDocProblems(errorTable, read("docs/errors.md")));
});
