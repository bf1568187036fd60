import { posix } from "node:path";
import type { Import, Source } from "./source.ts";

/** Every rule gives one line per problem, with the place first; none means that the rule holds. */
export type Rule = (sources: readonly Source[]) => string[];

const MECHANISM = ["engine", "agent", "graph", "team"];
const ADAPTERS = ["stores", "dispatch", "models", "tools", "sandbox", "traces"];
const DOORS = ["gateway", "cli", "client"];
const BELOW_DOORS = ["core", ...MECHANISM, ...ADAPTERS];

/** The stairs: which other rooms a room may import. An entry file is the room "entry". */
const MAY_USE: { readonly [room: string]: readonly string[] } = {
  core: [],
  engine: ["core"],
  agent: ["engine", "core"],
  graph: ["agent", "engine", "core"],
  team: ["graph", "agent", "engine", "core"],
  ...Object.fromEntries(ADAPTERS.map((room) => [room, ["core"]])),
  testing: [...BELOW_DOORS, "entry"],
  gateway: [...MECHANISM, "core", "entry"],
  // talks HTTP only: it knows the gateway's types (import type) and nothing of the mechanism
  client: ["gateway", "core"],
  cli: [...MECHANISM, "core", "entry"],
  entry: [...BELOW_DOORS, ...DOORS, "testing"],
};

/** The room of a file below src; a file at the top of src is an entry file. */
export function roomOf(path: string): string {
  const [top, room, ...rest] = path.split("/");
  if (top !== "src" || room === undefined) return "outside";
  return rest.length === 0 ? "entry" : room;
}

const isRelative = (specifier: string): boolean => specifier.startsWith(".");
const targetOf = (from: string, specifier: string): string =>
  posix.normalize(posix.join(posix.dirname(from), specifier));

function eachImport(sources: readonly Source[], check: (source: Source, one: Import) => string | undefined): string[] {
  return sources.flatMap((source) =>
    source.imports.flatMap((one) => {
      const problem = check(source, one);
      return problem === undefined ? [] : [`${source.path}:${one.line} ${problem}`];
    }),
  );
}

function stairProblem(source: Source, one: Import): string | undefined {
  if (/^pawl(\/|$)/.test(one.specifier)) return `imports "${one.specifier}" by name: inside src, import the file`;
  if (!isRelative(one.specifier)) return undefined;
  const target = targetOf(source.path, one.specifier);
  const [from, to] = [roomOf(source.path), roomOf(target)];
  if (to === "outside") return `imports "${one.specifier}", which is outside src`;
  if (from === to && from !== "entry") return undefined;
  const allowed = MAY_USE[from];
  if (allowed === undefined)
    return `is in the room "${from}", which the stairs do not know: add it to MAY_USE in test/house/rules.ts`;
  if (to === "testing" && source.path !== "src/testing.ts")
    return `imports the room "testing", which only src/testing.ts may use`;
  if (from === "testing" && /^src\/(gateway|cli|testing)\.ts$/.test(target))
    return `imports the entry file "${target}", which is above it`;
  if (allowed.includes(to)) return undefined;
  return `imports "${target}": ${from} may use ${allowed.length === 0 ? "nothing" : allowed.join(", ")}`;
}

export const importsGoDownTheStairs: Rule = (sources) => eachImport(sources, stairProblem);

/** Depth first; a file seen again while still open closes a cycle. */
export const noImportCycles: Rule = (sources) => {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const problems: string[] = [];
  const visit = (path: string, open: readonly string[]): void => {
    if (open.includes(path)) {
      problems.push([...open.slice(open.indexOf(path)), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const one of byPath.get(path)?.imports ?? []) {
      if (isRelative(one.specifier)) visit(targetOf(path, one.specifier), [...open, path]);
    }
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  return problems;
};

export const noDefaultExports: Rule = (sources) =>
  sources
    .filter(({ path }) => posix.basename(path) !== "pawl.config.ts")
    .flatMap(({ path, exports }) =>
      exports
        .filter(({ name }) => name === "default")
        .map(({ line }) => `${path}:${line} has a default export: name it`),
    );

export const noExportStar: Rule = (sources) =>
  eachImport(sources, (_source, one) =>
    one.kind === "re-export-all" ? `exports * from "${one.specifier}": name what it exports` : undefined,
  );

export const onlyEntriesReExport: Rule = (sources) =>
  sources
    .filter(({ path }) => roomOf(path) !== "entry")
    .flatMap(({ path, imports, exports }) => [
      ...imports
        .filter(({ kind }) => kind === "re-export")
        .map(({ line, specifier }) => `${path}:${line} re-exports from "${specifier}"`),
      ...exports
        .filter(({ importedFrom }) => importedFrom !== undefined)
        .map(({ line, name, importedFrom }) => `${path}:${line} re-exports "${name}" of "${importedFrom}"`),
    ]);

export const noAny: Rule = (sources) =>
  sources.flatMap(({ path, anys }) =>
    anys.map((line) => `${path}:${line} uses the type any: say unknown and parse it`),
  );

export const noCatchAllNames: Rule = (sources) =>
  sources
    .filter(({ path }) => /(^|[/.-])(utils?|helpers?|common)([/.-]|$)/i.test(path))
    .map(({ path }) => `${path} is named for nothing: name it for the one thing it holds`);

const CORE_NODE_IMPORTS: { readonly [path: string]: readonly string[] } = {
  "src/core/hash.ts": ["node:crypto", "node:zlib"],
};

export const coreImportsNothing: Rule = (sources) =>
  eachImport(sources, (source, one) => {
    if (roomOf(source.path) !== "core" || isRelative(one.specifier)) return undefined;
    return CORE_NODE_IMPORTS[source.path]?.includes(one.specifier) === true
      ? undefined
      : `imports "${one.specifier}": core has no dependency`;
  });

/** Time, randomness and I/O come into core as arguments. */
const IMPURE = new RegExp(
  "^(Date\\.now|new Date\\(\\)|Math\\.random|performance\\..*|crypto\\..*|process(\\..*)?|console\\..*|fetch" +
    "|(globalThis\\.)?(set|clear)(Timeout|Interval|Immediate)|queueMicrotask)$",
);

export const coreIsPure: Rule = (sources) =>
  sources
    .filter(({ path }) => roomOf(path) === "core")
    .flatMap(({ path, globals }) =>
      globals
        .filter(({ name }) => IMPURE.test(name))
        .map(({ name, line }) => `${path}:${line} uses ${name}: take it as an argument`),
    );

/** A driver, and the only place that may import it: a file, or a folder where it says so. First match counts. */
const DRIVERS: readonly (readonly [driver: RegExp, places: readonly string[]])[] = [
  [
    /^node:sqlite$/,
    [
      "src/stores/sqlite.ts",
      "src/tools/builtin/document-index.ts",
      "src/tools/builtin/memory-file.ts",
      "src/tools/builtin/sql-database.ts",
      "src/traces/sqlite.ts",
    ],
  ],
  [/^ioredis$/, ["src/stores/redis.ts"]],
  [/^pg$/, ["src/stores/postgres.ts"]],
  [/^@aws-sdk\/client-sqs$/, ["src/dispatch/sqs.ts"]],
  [/^@aws-sdk\//, ["src/stores/dynamodb.ts"]],
  [/^@langchain\//, ["src/stores/langgraph.ts"]],
  [/^bullmq$/, ["src/dispatch/bullmq.ts"]],
  [/^@ai-sdk\/provider$/, ["src/models/"]],
  [/^@ai-sdk\/openai$/, ["src/models/openai.ts"]],
  [/^@ai-sdk\/anthropic$/, ["src/models/anthropic.ts"]],
  [/^@ai-sdk\/google$/, ["src/models/google.ts"]],
  [/^@ai-sdk\/openai-compatible$/, ["src/models/openai-compatible.ts"]],
  [/^@ai-sdk\//, []],
  [/^nodemailer$/, ["src/tools/builtin/send-email.ts"]],
  [/^ai$/, []],
  [
    /^undici$/,
    [
      "src/models/transport.ts",
      "src/traces/otlp-post.ts",
      "src/dispatch/post-webhook.ts",
      "src/tools/builtin/web-client.ts",
    ],
  ],
  [
    /^@modelcontextprotocol\/client$/,
    ["src/tools/mcp-connection.ts", "src/tools/mcp-tool.ts", "src/tools/mcp-oauth.ts"],
  ],
  [/^@modelcontextprotocol\//, ["src/gateway/mcp/"]],
  [/^(?:quickjs-wasi|just-bash)$/, ["src/sandbox/script-child.ts"]],
  [/^fastify$|^@fastify\//, ["src/gateway/"]],
];

export const driversStayInTheirFile: Rule = (sources) =>
  eachImport(sources, (source, one) => {
    const places = DRIVERS.find(([driver]) => driver.test(one.specifier) || driver.test(packageOf(one.specifier)))?.[1];
    if (
      places === undefined ||
      places.some((place) => (place.endsWith("/") ? source.path.startsWith(place) : source.path === place))
    )
      return undefined;
    return `imports the driver "${one.specifier}", allowed ${places.length === 0 ? "nowhere in src" : `only in ${places.join(", ")}`}`;
  });

const packageOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
