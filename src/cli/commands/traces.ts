import { PawlError } from "../../core/errors.ts";
import { checkId, rootRunIdOf } from "../../core/id.ts";
import type { CostKey, CostRow, RunCostKey, TraceFilter, TraceSummary } from "../../core/trace-contract.ts";
import { nanoUsdOf, tokensOf } from "../../core/usage.ts";
import { agoText, bytesText, costText, countText, dateText, durationText } from "../figures.ts";
import { pasteable } from "../pasteable.ts";
import { openToRead, type Opened, type Place } from "../place.ts";
import { connect } from "../connection.ts";
import { serverTraces, type TraceReader } from "../server-traces.ts";
import { note, oneLine, paint, plain, say, sayTable } from "../terminal.ts";
import { traceFile } from "../trace-file.ts";
import { traceIndex, type PricedTraceIndex } from "../../traces.ts";
import { runStatuses } from "./runs.ts";

export interface TracesOptions extends Place {
  readonly text?: string;
  readonly status?: readonly string[];
  readonly agent?: string;
  readonly tool?: string;
  readonly model?: string;
  readonly user?: string;
  readonly thread?: string;
  readonly tag?: string;
  readonly error?: string;
  readonly minCost?: string;
  readonly minTokens?: string;
  readonly minSeconds?: string;
  readonly since?: string;
  readonly sort?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

const LIMIT_MAX = 1_000;
const sorts = ["started", "cost", "duration", "tokens"] as const;

/** Reads the traces that a gateway has, or those of a database. */
export async function readTraces(
  place: Place,
  work: (traces: { readonly index: TraceReader; readonly tenant: string }) => Promise<number>,
): Promise<number> {
  return place.server === undefined
    ? withTraces(place, work)
    : work({ index: serverTraces(connect(place)), tenant: "" });
}

export interface OpenTraces extends Opened {
  readonly index: PricedTraceIndex;
}

/** Opens the runs of a place for reading, and their index, brought up to date. */
export async function withTraces(
  place: Place,
  work: (traces: OpenTraces) => Promise<number>,
  options: { readonly catchUp?: boolean } = {},
): Promise<number> {
  const opened = await openToRead(place);
  const index = traceIndex({ store: opened.app.store, path: traceFile(opened.databaseFile) });
  try {
    await index.open();
    if (options.catchUp !== false) await index.catchUp();
    return await work({ ...opened, index });
  } finally {
    await index.close();
    await opened.app.close();
  }
}

/** `pawl traces`: runs by what they did, said, cost and took. */
export async function traces(options: TracesOptions): Promise<number> {
  const filter = filterOf(options);
  const limit = limitOf(options.limit);
  return readTraces(options, async ({ index, tenant }) => {
    const found: TraceSummary[] = [];
    let cursor = options.cursor ?? null;
    let partial = false;
    do {
      const page = await index.list(tenant, filter, cursor, limit - found.length);
      found.push(...page.items);
      cursor = page.cursor;
      partial ||= page.partial === true;
    } while (cursor !== null && found.length < limit);
    if (options.json === true) for (const one of found) say(JSON.stringify(one));
    else showRuns(found, options, Object.keys(filter).length > 0);
    if (partial) note("some runs have more text than was searched: words at their end may be missed.");
    if (cursor !== null) note(`more: add --cursor ${cursor}`);
    return 0;
  });
}

function showRuns(found: readonly TraceSummary[], options: TracesOptions, isFiltered: boolean): void {
  const [first] = found;
  if (first === undefined) {
    say(
      isFiltered
        ? `no runs like that. All of them: ${pasteable(options, "traces")}`
        : `no runs. Start one: ${pasteable(options, "demo")}`,
    );
    return;
  }
  const now = Date.now();
  const rows = found.map((one) => [
    one.runId,
    one.status,
    agoText(one.startedAt, now),
    one.endedAt === null ? "…" : durationText(one.endedAt - one.startedAt),
    String(tokensOf(one.sums.usage)),
    moneyText(one.sums),
    one.sums.errors === 0 ? "" : String(one.sums.errors),
    one.runnable,
    one.snippet ?? one.title,
  ]);
  const head = [
    "RUN",
    "STATUS",
    "STARTED",
    "TOOK",
    "TOKENS",
    "COST",
    "ERRORS",
    "AGENT",
    options.text === undefined ? "INPUT" : "FOUND",
  ];
  sayTable(head, rows);
  say();
  say(paint("dim", pasteable(options, "traces", "show", first.runId)));
}

/** What is unpriced is not hidden in a sum. */
export function moneyText(sums: { readonly costNanoUsd: number; readonly unpricedCalls: number }): string {
  if (sums.unpricedCalls === 0) return costText(sums.costNanoUsd);
  const unpriced = `${sums.unpricedCalls} unpriced`;
  return sums.costNanoUsd === 0 ? unpriced : `${costText(sums.costNanoUsd)} + ${unpriced}`;
}

function filterOf(options: TracesOptions): TraceFilter {
  const { text, status, agent, tool, model, user, thread, tag, error, minCost, minTokens, minSeconds, since, sort } =
    options;
  const statuses = status?.map((one) => chosen("--status", one, runStatuses));
  return {
    ...(text !== undefined && { text }),
    ...(statuses !== undefined && { statuses }),
    ...(agent !== undefined && { runnable: agent }),
    ...(tool !== undefined && { tool }),
    ...(model !== undefined && { model }),
    ...(user !== undefined && { principal: user }),
    ...(thread !== undefined && { threadId: thread }),
    ...(tag !== undefined && { tag }),
    ...(error !== undefined && { errorGroup: error }),
    ...(minCost !== undefined && { minCostNanoUsd: nanoUsdOf(numberOf("--min-cost", minCost)) }),
    ...(minTokens !== undefined && { minTokens: numberOf("--min-tokens", minTokens) }),
    ...(minSeconds !== undefined && { minDurationMs: 1_000 * numberOf("--min-seconds", minSeconds) }),
    ...(since !== undefined && { startedFrom: dateOf("--since", since) }),
    ...(sort !== undefined && { sort: chosen("--sort", sort, sorts) }),
  };
}

function chosen<T extends string>(option: string, given: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === given);
  if (found !== undefined) return found;
  throw new PawlError("OPTION_INVALID", `${option} is "${given}". It is one of ${allowed.join(", ")}.`);
}

function numberOf(option: string, given: string): number {
  const number = Number(given);
  if (given.trim() !== "" && Number.isFinite(number) && number >= 0) return number;
  throw new PawlError("OPTION_INVALID", `${option} is "${given}". Give a number, 0 or more.`);
}

/** A date, or how long ago: 30m, 12h, 7d. */
function dateOf(option: string, given: string): number {
  const [, count, unit] = /^(\d{1,6})(m|h|d)$/.exec(given) ?? [];
  const unitMs = unit === "m" ? 60_000 : unit === "h" ? 3_600_000 : 86_400_000;
  const at = count === undefined ? Date.parse(given) : Date.now() - Number(count) * unitMs;
  if (Number.isFinite(at)) return at;
  throw new PawlError(
    "OPTION_INVALID",
    `${option} is "${given}". Give a date such as 2026-11-22, or an age such as 30m, 12h or 7d.`,
  );
}

export function limitOf(given: string | undefined): number {
  const limit = given === undefined ? 20 : Number(given);
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new PawlError("OPTION_INVALID", `--limit is "${given}". Give a whole number from 1 to ${LIMIT_MAX}.`);
}

/** `pawl traces errors`: failures of one kind together, the most frequent first. */
export async function traceErrors(options: TracesOptions): Promise<number> {
  const filter = filterOf(options);
  const limit = limitOf(options.limit);
  return readTraces(options, async ({ index, tenant }) => {
    const { items: groups, partial } = await index.errorGroups(tenant, filter, limit);
    if (partial) note("more runs fit than were searched: there may be more failures. Narrow it by --agent or --since.");
    if (options.json === true) {
      for (const group of groups) say(JSON.stringify(group));
      return 0;
    }
    if (groups.length === 0) say(partial ? "nothing failed in them." : "nothing failed.");
    const now = Date.now();
    for (const { id, title, place, count, runs, lastAt, costNanoUsd, samples } of groups) {
      say(paint("red", oneLine(title, 100)));
      const cost = costNanoUsd === 0 ? "" : ` · these runs cost ${costText(costNanoUsd)}`;
      say(
        `  ${plain(place)} · ${countText(count, "time")} in ${countText(runs, "run")} · last ${agoText(lastAt, now)}${cost}`,
      );
      say(paint("dim", `  ${pasteable(options, "traces", "--error", id)}   ${samples[0] ?? ""}`));
    }
    return 0;
  });
}

/** What is told apart over all runs. */
const costKeys: { readonly [by: string]: CostKey } = {
  day: "day",
  request: "rootRunId",
  agent: "runnable",
  model: "model",
  tool: "tool",
  user: "principal",
  thread: "threadId",
  tag: "tag",
  run: "runId",
  tenant: "tenant",
};
/** What is told apart in one run and those below it. */
const runCostKeys: readonly RunCostKey[] = ["turn", "call", "run", "model", "tool"];

export interface CostOptions extends TracesOptions {
  readonly by?: string;
}

/** `pawl traces cost [RUN_ID] --by …`: what was billed, each attempt once; of all runs, or of one with those below it. */
export async function traceCost(runId: string | undefined, options: CostOptions): Promise<number> {
  const limit = limitOf(options.limit);
  if (runId !== undefined) return runCost(runId, options, limit);
  const by = chosen("--by", options.by ?? "day", Object.keys(costKeys));
  const from = options.since === undefined ? {} : { from: dateOf("--since", options.since) };
  const { agent, model, tool, user, thread } = options;
  const of = Object.fromEntries(
    Object.entries({ agent, model, tool, user, thread }).filter(([, one]) => one !== undefined),
  );
  return readTraces(options, async ({ index, tenant }) => {
    const rows = await index.costs(tenant, { by: costKeys[by] ?? "day", limit, ...from, ...of });
    if (options.json === true) for (const row of rows) say(JSON.stringify(row));
    else showCosts(by, rows);
    return 0;
  });
}

async function runCost(runId: string, options: CostOptions, limit: number): Promise<number> {
  checkId("run id", rootRunIdOf(runId));
  const by = chosen("--by", options.by ?? "turn", runCostKeys);
  return readTraces(options, async ({ index, tenant }) => {
    const costs = await index.runCosts({ tenant, runId }, { by, limit });
    if (options.json === true) say(JSON.stringify(costs));
    else {
      showCosts(by, [...costs.items, { key: "∑", ...costs.total }]);
      if (costs.inherited.calls > 0) say(paint("dim", `the original of this fork paid ${moneyText(costs.inherited)}`));
    }
    return 0;
  });
}

function showCosts(by: string, rows: readonly CostRow[]): void {
  if (rows.every(({ calls }) => calls === 0)) return say("nothing was billed.");
  const cells = rows.map(({ key, calls, usage, assumedCalls, ...sums }) => [
    plain(key),
    String(calls),
    String(usage.inputTokens),
    String(usage.cachedInputTokens),
    String(usage.outputTokens),
    assumedCalls === 0 ? moneyText(sums) : `${moneyText(sums)} (${assumedCalls} at worst case)`,
  ]);
  sayTable([by.toUpperCase(), "BILLED", "INPUT", "CACHED", "OUTPUT", "COST"], cells);
}

/** `pawl traces rebuild`: reads every journal anew. */
export async function traceRebuild(options: Place): Promise<number> {
  return withTraces(
    options,
    async ({ index }) => {
      let shown = 0;
      const { runs, spans, refused } = await index.rebuild((progress) => {
        if (process.stderr.isTTY !== true || progress.runs - shown < 100) return;
        shown = progress.runs;
        process.stderr.write(`\r${countText(progress.runs, "run")}, ${countText(progress.spans, "span")}`);
      });
      if (shown > 0) process.stderr.write("\r\u001B[K");
      const { bytes } = await index.size();
      if (options.json === true) say(JSON.stringify({ runs, spans, refused, bytes }));
      else {
        say(`${countText(runs, "run")} with ${countText(spans, "span")} read into ${bytesText(bytes)}`);
        if (refused > 0)
          say(paint("red", `${countText(refused, "journal")} could not be read: ${pasteable(options, "verify")}`));
      }
      return 0;
    },
    { catchUp: false },
  );
}

/** `pawl traces reprice`: what was used, by the prices of today's tables and overrides. */
export async function traceReprice(options: Place & { readonly write?: boolean }): Promise<number> {
  const { priceLookup } = await import("../../models.ts");
  return withTraces(options, async ({ index, tenant }) => {
    const rows = await index.reprice(tenant, priceLookup(), options.write === true);
    if (options.json === true) {
      for (const row of rows) say(JSON.stringify(row));
      return 0;
    }
    if (rows.length === 0) say("no model was billed.");
    else {
      const cells = rows.map(({ model, calls, before, after }) => [
        plain(model),
        String(calls),
        moneyText(before),
        moneyText(after),
        after.sources.join(", "),
      ]);
      sayTable(["MODEL", "CALLS", "RECORDED", "BY TODAY'S PRICES", "SOURCE"], cells);
      say(
        options.write === true
          ? `written to the index; the journals keep what was recorded (${dateText(Date.now())}).`
          : paint("dim", pasteable(options, "traces", "reprice", "--write")),
      );
    }
    return 0;
  });
}
