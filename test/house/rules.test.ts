import assert from "node:assert/strict";
import { test } from "node:test";
import { errorDocProblems } from "./error-docs.ts";
import {
  coreImportsNothing,
  coreIsPure,
  driversStayInTheirFile,
  importsGoDownTheStairs,
  noAny,
  noCatchAllNames,
  noDefaultExports,
  noExportStar,
  noImportCycles,
  onlyEntriesReExport,
  type Rule,
} from "./rules.ts";
import { sizeProblems, sizeReport } from "./size.ts";
import { parseSource, type Source } from "./source.ts";

type Files = { readonly [path: string]: string };

const parsed = (files: Files): Source[] => Object.entries(files).map(([path, text]) => parseSource(path, text));

const accepts = (rule: Rule, files: Files): void => assert.deepEqual(rule(parsed(files)), []);

/** Exactly one problem, at `place`. */
function refuses(rule: Rule, files: Files, place: string): void {
  const problems = rule(parsed(files));
  assert.equal(problems.length, 1, `one problem expected, got ${JSON.stringify(problems)}`);
  assert.ok(problems[0]?.includes(place), `${JSON.stringify(problems[0])} does not name ${place}`);
}

test("an import down the stairs is accepted", () => {
  accepts(importsGoDownTheStairs, {
    "src/core/a.ts": `import { b } from "./b.ts";\nimport type { C } from "./deeper/c.ts";`,
    "src/team/a.ts": `import { x } from "../engine/x.ts";\nimport { z } from "zod";`,
    "src/stores/a.ts": `import { x } from "../core/x.ts";\nimport { b } from "./b.ts";`,
    "src/cli/a.ts": `import { x } from "../engine/x.ts";\nimport { sqlite } from "../sqlite.ts";`,
    "src/testing/a.ts": `import { x } from "../stores/memory.ts";\nimport { pawl } from "../index.ts";`,
    "src/testing.ts": `export { x } from "./testing/a.ts";`,
    "src/sqlite.ts": `export { x } from "./stores/sqlite.ts";`,
  });
});

test("an import up the stairs or sideways is refused", () => {
  const cases: readonly (readonly [path: string, specifier: string])[] = [
    ["src/core/a.ts", "../engine/x.ts"],
    ["src/core/a.ts", "../index.ts"],
    ["src/engine/a.ts", "../agent/x.ts"],
    ["src/engine/a.ts", "../stores/x.ts"],
    ["src/graph/a.ts", "../team/x.ts"],
    ["src/stores/a.ts", "../models/x.ts"],
    ["src/stores/a.ts", "../engine/x.ts"],
    ["src/gateway/a.ts", "../cli/x.ts"],
    ["src/gateway/a.ts", "../stores/x.ts"],
    ["src/cli/a.ts", "../testing/x.ts"],
    ["src/index.ts", "./testing/x.ts"],
    ["src/index.ts", "./sqlite.ts"],
    ["src/testing/a.ts", "../gateway/x.ts"],
    ["src/testing/a.ts", "../testing.ts"],
    ["src/core/a.ts", "../../test/x.ts"],
    ["src/engine/a.ts", "pawl/sqlite"],
    ["src/misc/a.ts", "../core/x.ts"],
  ];
  for (const [path, specifier] of cases) {
    refuses(importsGoDownTheStairs, { [path]: `\nimport { x } from "${specifier}";` }, `${path}:2`);
    refuses(importsGoDownTheStairs, { [path]: `\nimport type { X } from "${specifier}";` }, `${path}:2`);
    refuses(importsGoDownTheStairs, { [path]: `\nimport { type X } from "${specifier}";` }, `${path}:2`);
    refuses(importsGoDownTheStairs, { [path]: `\nconst x = await import("${specifier}");` }, `${path}:2`);
    refuses(importsGoDownTheStairs, { [path]: `\nexport type { X } from "${specifier}";` }, `${path}:2`);
  }
});

test("an import in a comment or a string is not an import", () => {
  accepts(importsGoDownTheStairs, {
    "src/core/a.ts": `// import { x } from "../engine/x.ts";\nexport const text = 'import "../cli/x.ts"';`,
  });
});

test("a cycle of imports is refused, also one of types, a diamond is not", () => {
  const diamond = {
    "src/core/a.ts": `import "./b.ts";\nimport "./c.ts";`,
    "src/core/b.ts": `import "./d.ts";`,
    "src/core/c.ts": `import "./d.ts";`,
  };
  accepts(noImportCycles, { ...diamond, "src/core/d.ts": "" });
  refuses(
    noImportCycles,
    { ...diamond, "src/core/d.ts": `import type { A } from "./c.ts";` },
    "src/core/d.ts -> src/core/c.ts -> src/core/d.ts",
  );
  refuses(noImportCycles, { "src/core/a.ts": `import "./a.ts";` }, "src/core/a.ts -> src/core/a.ts");
});

test("a default export is refused except in pawl.config.ts", () => {
  accepts(noDefaultExports, {
    "src/cli/pawl.config.ts": "export default 1;",
    "src/core/a.ts": "export const b = { default: 1 };",
  });
  refuses(noDefaultExports, { "src/core/a.ts": "\nexport default class A {}" }, "src/core/a.ts:2");
  refuses(noDefaultExports, { "src/core/a.ts": "const a = 1;\nexport { a as default };" }, "src/core/a.ts:2");
});

test("export * is refused, also of types", () => {
  accepts(noExportStar, { "src/index.ts": `export { a } from "./core/a.ts";` });
  refuses(noExportStar, { "src/index.ts": `export * from "./core/a.ts";` }, "src/index.ts:1");
  refuses(noExportStar, { "src/index.ts": `export type * from "./core/a.ts";` }, "src/index.ts:1");
  refuses(noExportStar, { "src/index.ts": `export * as a from "./core/a.ts";` }, "src/index.ts:1");
});

test("only an entry file exports what it imported", () => {
  accepts(onlyEntriesReExport, {
    "src/index.ts": `export { a } from "./core/a.ts";`,
    "src/core/a.ts": "const a = 1;\nexport { a };",
  });
  refuses(onlyEntriesReExport, { "src/core/a.ts": `export type { B } from "./b.ts";` }, "src/core/a.ts:1");
  refuses(
    onlyEntriesReExport,
    { "src/core/a.ts": `import { b } from "./b.ts";\nexport { b as c };` },
    "src/core/a.ts:2",
  );
});

test("the type any is refused, the word is not", () => {
  accepts(noAny, {
    "src/core/a.ts": `// any\n/** any */\nexport type A = "any" | { any: 1; x?: typeof AbortSignal.any };\nexport const any = (many: number): string => "any" + many;`,
  });
  for (const text of [
    "let a: any;",
    "f(a as any);",
    "type A = Record<string, any>;",
    "function f(...a: any[]): void {}",
    "interface A {\nb: any }",
  ]) {
    refuses(noAny, { "src/core/a.ts": `${text}\n` }, "src/core/a.ts:");
  }
});

test("a file named for nothing is refused", () => {
  accepts(noCatchAllNames, { "src/core/commonwealth.ts": "", "src/core/utility-price.ts": "" });
  refuses(noCatchAllNames, { "src/core/utils.ts": "" }, "src/core/utils.ts");
  refuses(noCatchAllNames, { "src/core/string-helpers.ts": "" }, "src/core/string-helpers.ts");
  refuses(noCatchAllNames, { "src/common/a.ts": "" }, "src/common/a.ts");
});

test("core imports no package and no node module, hash.ts two", () => {
  accepts(coreImportsNothing, {
    "src/core/hash.ts": `import { createHash } from "node:crypto";\nimport { crc32 } from "node:zlib";`,
    "src/engine/a.ts": `import "zod";`,
  });
  refuses(coreImportsNothing, { "src/core/hash.ts": `import "node:fs";` }, "src/core/hash.ts:1");
  refuses(coreImportsNothing, { "src/core/a.ts": `import type { Hash } from "node:crypto";` }, "src/core/a.ts:1");
  refuses(coreImportsNothing, { "src/core/a.ts": `import { z } from "zod";` }, "src/core/a.ts:1");
});

test("core reads no clock, no randomness and no process", () => {
  accepts(coreIsPure, {
    "src/core/a.ts": `// Date.now()\nexport const at = (clock: { setTimeout(): void; process: 1 }, ms: number): Date => (clock.setTimeout(), new Date(ms));`,
    "src/engine/a.ts": "export const now = Date.now();",
  });
  const impure = [
    "Date.now()",
    "new Date()",
    "Math.random()",
    "setTimeout(f, 1)",
    "globalThis.setTimeout(f)",
    "process.env.X",
    "f({ process })",
    "performance.now()",
    "console.log(1)",
  ];
  for (const use of impure) refuses(coreIsPure, { "src/core/a.ts": `\n${use};` }, "src/core/a.ts:2");
});

test("a driver is imported in its one file", () => {
  accepts(driversStayInTheirFile, {
    "src/stores/sqlite.ts": `import { DatabaseSync } from "node:sqlite";`,
    "src/gateway/routes/runs.ts": `import type { FastifyInstance } from "fastify";`,
    "src/models/openai.ts": `const { createOpenAI } = await import("@ai-sdk/openai");`,
  });
  for (const driver of [
    "node:sqlite",
    "ioredis",
    "pg",
    "@aws-sdk/client-sqs",
    "@ai-sdk/openai",
    "@ai-sdk/openai/internal",
    "ai",
    "@modelcontextprotocol/client/stdio",
    "fastify",
  ]) {
    refuses(driversStayInTheirFile, { "src/engine/a.ts": `import type { X } from "${driver}";` }, "src/engine/a.ts:1");
  }
});

const lines = (count: number): string => "f();\n".repeat(count);

test("a file over its limit is refused, and the limit of a store is higher", () => {
  const none = { files: {}, functions: {} };
  assert.deepEqual(sizeProblems(parsed({ "src/core/a.ts": lines(400), "src/stores/a.ts": lines(700) }), none), []);
  assert.match(
    sizeProblems(parsed({ "src/core/a.ts": lines(401) }), none).join(),
    /^src\/core\/a\.ts has 401 lines, allowed are 400/,
  );
  assert.match(
    sizeProblems(parsed({ "src/stores/a.ts": lines(701) }), none).join(),
    /^src\/stores\/a\.ts has 701 lines/,
  );
  assert.match(sizeProblems([{ path: "console/src/pages/runs.tsx", lines: 301 }], none).join(), /allowed are 300/);
});

test("a function over its limit is refused, whatever its form", () => {
  const none = { files: {}, functions: {} };
  const body = lines(59);
  for (const text of [
    `function big() {\n${body}}`,
    `const big = (): void => {\n${body}};`,
    `class A { big(): void {\n${body}} }`,
    `const a = { big() {\n${body}} };`,
  ]) {
    assert.match(
      sizeProblems(parsed({ "src/core/a.ts": text }), none).join(),
      /^src\/core\/a\.ts#big has 61 lines, allowed are 60/,
    );
  }
  assert.deepEqual(sizeProblems(parsed({ "src/core/a.ts": `function fits() {\n${lines(58)}}` }), none), []);
});

test("what is over may only shrink, and an entry that is not needed must go", () => {
  const over = parsed({ "src/core/a.ts": lines(450) });
  const problems = (recorded: number): string =>
    sizeProblems(over, { files: { "src/core/a.ts": recorded }, functions: {} }).join();
  assert.equal(problems(450), "");
  assert.match(problems(449), /grew from 449 to 450/);
  assert.match(problems(451), /write 450 in the ratchet/);
  const fits = parsed({ "src/core/a.ts": lines(10) });
  assert.match(
    sizeProblems(fits, { files: { "src/core/a.ts": 450 }, functions: {} }).join(),
    /fits now \(10 of 400\): remove its entry/,
  );
  assert.match(
    sizeProblems(fits, { files: {}, functions: { "src/core/a.ts#gone": 70 } }).join(),
    /a\.ts#gone does not exist/,
  );
});

test("the report names the largest file, the largest function and the lines of each room", () => {
  const report = sizeReport(
    parsed({ "src/core/a.ts": "function f() {\n}\n", "src/core/b.ts": lines(3), "src/index.ts": lines(1) }),
  ).join("\n");
  assert.match(report, /largest file src\/core\/b\.ts \(3 lines\), largest function src\/core\/a\.ts#f \(2 lines\)/);
  assert.match(report, /lines in src: 6 \(core 5, entry 1\)/);
});

test("the error docs and the error table are compared both ways", () => {
  const table = { RUN_UNKNOWN: { status: 404, retry: "never", meaning: "No run." } };
  const documented = "# Errors\n\n## runs\n\n### RUN_UNKNOWN\n\nHTTP 404 · retry: never\n\nNo run.\n\nFree text.\n";
  assert.deepEqual(errorDocProblems(table, documented), []);
  assert.match(errorDocProblems(table, "# Errors\n").join(), /RUN_UNKNOWN" 0 times/);
  assert.match(errorDocProblems(table, documented + documented).join(), /RUN_UNKNOWN" 2 times/);
  assert.match(errorDocProblems({}, documented).join(), /RUN_UNKNOWN", which is not in the table/);
  assert.match(errorDocProblems(table, documented.replace("404", "500")).join(), /docs say "HTTP 500/);
  assert.match(errorDocProblems(table, documented.replace("No run.", "Runs.")).join(), /docs say "Runs\."/);
});
