import { jsonIn } from "../core/json-in-text.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { textOf } from "../core/message.ts";
import type { ModelRequest, ToolSpec } from "../core/model-contract.ts";
import type { Move } from "./offline-research.ts";
import type { PastCall, Situation } from "./offline-transcript.ts";
import { stemsOf } from "./offline-words.ts";

// Work in a team, by rule: who gathers, who writes and who checks is read from the scopes that the tool's schema states.

const CHECKS = /\b(reviews?|checks?|verif\w+|proofreads?|critic\w*)\b/i;
const WRITES = /\b(writes?|writing|drafts?|composes?|edits?)\b/i;
const HANDED = /Report "([^"\n]+)" by ([^:\n]+):\n([\s\S]*?)(?=\n\nReport "|\n\nAn earlier attempt|$)/g;
const QUERIED = /^\s*[-*]\s+(.*?)\s*`(SELECT [^`]+)`\s*$/i;
const QUOTED = /^\s*[-*]\s+(.*?)\s*[([]([^()[\]\s]+:\d+(?:-\d+)?)[)\]]\.?\s*$/;

interface Delegate {
  readonly tool: string;
  /** Name of the list and of the members of its items. */
  readonly list: string;
  readonly who: string;
  readonly needs: string;
  readonly staff: readonly { readonly name: string; readonly scope: string }[];
}

/** A tool that takes a list of tasks, each for one of some names, with needs. */
function delegateIn(tools: readonly ToolSpec[]): Delegate | null {
  for (const { name: tool, inputSchema } of tools) {
    const lists = isJsonObject(inputSchema.properties) ? Object.entries(inputSchema.properties) : [];
    for (const [list, schema] of lists) {
      const items = isJsonObject(schema) && isJsonObject(schema.items) ? schema.items.properties : null;
      if (!isJsonObject(items)) continue;
      const members = Object.entries(items);
      const who = members.find(([, one]) => isJsonObject(one) && Array.isArray(one.enum));
      const needs = members.find(([, one]) => isJsonObject(one) && one.type === "array");
      if (who === undefined || needs === undefined || !("task" in items)) continue;
      return { tool, list, who: who[0], needs: needs[0], staff: staffOf(who[1] as JsonObject) };
    }
  }
  return null;
}

/** `name: scope | name: scope` in the description of the names. */
function staffOf({ enum: names, description }: JsonObject): Delegate["staff"] {
  const about = typeof description === "string" ? description : "";
  return (Array.isArray(names) ? names : []).flatMap((name: JsonValue) => {
    if (typeof name !== "string") return [];
    const from = about.indexOf(`${name}: `);
    return [{ name, scope: from < 0 ? name : (about.slice(from + name.length + 2).split(" | ")[0] ?? "") }];
  });
}

interface Done {
  readonly id: string;
  readonly specialist: string;
  readonly status: string;
  readonly result: string;
  readonly confidence: number;
}

/** What a supervisor does next; null for a request that offers no such tool. */
export function leadMove({ tools }: ModelRequest, situation: Situation): Move | null {
  const delegate = delegateIn(tools);
  if (delegate === null) return null;
  const checkers = delegate.staff.filter(({ scope }) => CHECKS.test(scope));
  const writers = delegate.staff.filter(({ scope }) => WRITES.test(scope) && !CHECKS.test(scope));
  const gatherers = delegate.staff.filter((one) => !checkers.includes(one) && !writers.includes(one));
  const calls = situation.calls.filter(({ tool }) => tool === delegate.tool);
  const task = (id: string, who: string, what: string, needs: readonly string[]): JsonObject => ({
    id,
    [delegate.who]: who,
    task: what,
    [delegate.needs]: needs,
  });
  const handOut = (text: string, tasks: readonly JsonObject[]): Move => ({
    text,
    calls: [{ tool: delegate.tool, input: { [delegate.list]: tasks } }],
  });
  const { goal } = situation;
  if (calls.length === 0) {
    const found = gatherers.map(({ name }) => name);
    const written = writers.map(({ name }) => task(name, name, `Write a cited report that answers: ${goal}`, found));
    const drafts = written.length > 0 ? writers.map(({ name }) => name) : found;
    return handOut("First what the folder says, then the report, then its review.", [
      ...found.map((name) => task(name, name, goal, [])),
      ...written,
      ...checkers.map(({ name }) =>
        task(name, name, `Check each claim of the report against its source: ${goal}`, drafts),
      ),
    ]);
  }
  const done = calls.flatMap(doneIn);
  const found = done.filter(
    ({ specialist, status }) => status === "done" && gatherers.some(({ name }) => name === specialist),
  );
  const missing = done.some(({ status }) => status !== "done");
  const [writer] = writers;
  const draft = done.findLast(({ specialist, status }) => status === "done" && specialist === writer?.name);
  if (calls.length === 1 && writer !== undefined && draft === undefined && missing && found.length > 0) {
    const needs = found.map(({ id }) => id);
    return handOut("Without what could not be found.", [
      task(writer.name, writer.name, `Write a cited report that answers: ${goal}`, needs),
      ...checkers.map(({ name }) =>
        task(name, name, `Check each claim of the report against its source: ${goal}`, [writer.name]),
      ),
    ]);
  }
  const review = done.findLast(
    ({ specialist, status }) => status === "done" && checkers.some(({ name }) => name === specialist),
  );
  const isDoubted = review !== undefined && /^- (unsupported|unclear)/m.test(review.result);
  if (calls.length === 1 && writer !== undefined && draft !== undefined && isDoubted)
    return handOut("The review doubts claims: the report is revised.", [
      task("revised", writer.name, `Revise the cited report, without the claims that the review doubts: ${goal}`, [
        draft.id,
        review.id,
      ]),
    ]);
  return { text: finalText(done, found, { draft, review }), calls: [] };
}

function doneIn({ output, isError }: PastCall): readonly Done[] {
  const value = typeof output === "string" ? (jsonIn(output)?.value ?? null) : output;
  const tasks = !isError && isJsonObject(value) ? value["tasks"] : null;
  return (Array.isArray(tasks) ? tasks : []).flatMap((one: JsonValue) => {
    if (!isJsonObject(one)) return [];
    const report = isJsonObject(one["report"]) ? one["report"] : {};
    const text = (member: JsonValue | undefined): string => (typeof member === "string" ? member : "");
    const { id, specialist, status } = one;
    const confidence = Number(report["confidence"] ?? 0);
    return [
      { id: text(id), specialist: text(specialist), status: text(status), result: text(report["result"]), confidence },
    ];
  });
}

function finalText(
  done: readonly Done[],
  found: readonly Done[],
  { draft, review }: { readonly draft: Done | undefined; readonly review: Done | undefined },
): string {
  const last = new Map(done.map((one) => [one.id, one]));
  const open = [...last.values()].filter(({ status }) => status !== "done");
  const lines = open.map(({ id, specialist, status }) => `- ${id} (${specialist}: ${status.replace("_", " ")})`);
  return [
    draft?.result ?? found.map(({ result }) => result).join("\n\n"),
    ...(review === undefined
      ? []
      : [`---\nReview: ${review.result.split("\n")[0] ?? ""} Confidence ${review.confidence}.`]),
    ...(lines.length === 0 ? [] : [`Not done:\n${lines.join("\n")}`]),
  ].join("\n\n");
}

export function plain(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

interface HandedReport {
  readonly id: string;
  readonly by: string;
  readonly result: string;
  readonly open: readonly string[];
  readonly isFound: boolean;
}

function handedIn({ messages }: ModelRequest): readonly HandedReport[] {
  const [first] = messages;
  const text = first === undefined ? "" : textOf(first);
  return [...text.matchAll(HANDED)].map(([, id = "", by = "", body = ""]) => {
    const open = /\nOpen questions:\n([\s\S]*)$/.exec(body)?.[1] ?? "";
    const lines = open.split("\n").filter((line) => line.startsWith("- "));
    return {
      id,
      by,
      result: body.split(/\n(?:Evidence:\n|Confidence: )/)[0] ?? "",
      open: lines,
      isFound: !/\nConfidence: 0(\n|$)/.test(body),
    };
  });
}

/** Writes a report from the reports that were handed over: their lines with sources, less what a review doubts. */
export function writtenReport(request: ModelRequest, { goal }: Situation): string | null {
  const handed = handedIn(request);
  if (handed.length === 0 || !/^\W*(write|revise|draft|compose)\b/i.test(goal)) return null;
  const doubted = handed.flatMap(({ result }) =>
    result.split("\n").flatMap((line) => /^- (?:unsupported|unclear): (.*)$/.exec(line)?.[1] ?? []),
  );
  const draft = handed.find(({ result }) => result.startsWith("# "));
  const isKept = (line: string): boolean => !doubted.some((claim) => claim !== "" && line.includes(claim));
  if (draft !== undefined) return draft.result.split("\n").filter(isKept).join("\n");
  const title = goal.replace(/^[^:]*:\s*/, "").replace(/[.?!\s]+$/, "");
  const sections = handed.flatMap(({ by, result, isFound }) => {
    if (!isFound) return [];
    const lines = result.split("\n").filter((line) => line.trim() !== "" && !line.endsWith(":"));
    return lines.length === 0 ? [] : [`## ${by[0]?.toUpperCase() ?? ""}${by.slice(1)}\n\n${lines.join("\n")}`];
  });
  const open = [...new Set(handed.flatMap((one) => one.open))];
  return [`# ${title}`, ...sections, ...(open.length === 0 ? [] : [`## Open questions\n\n${open.join("\n")}`])].join(
    "\n\n",
  );
}

/** Has the claims of a draft that was handed over checked by a tool for it, and tells what that said; null where there is none. */
export function reviewMove(
  request: ModelRequest,
  { calls }: Situation,
): { readonly move: Move; readonly isDone: boolean } | null {
  const spec = request.tools.find(({ description }) => /\bchecks?\b[^.]*\bclaims?\b/i.test(description));
  const handed = handedIn(request);
  if (spec === undefined || handed.length === 0) return null;
  const properties = isJsonObject(spec.inputSchema.properties) ? Object.entries(spec.inputSchema.properties) : [];
  const [param] = properties.find(([, one]) => isJsonObject(one) && one.type === "string") ?? [];
  if (param === undefined) return null;
  const checked = calls.findLast(({ tool }) => tool === spec.name);
  const draft = handed.map(({ result }) => result).join("\n\n");
  if (checked === undefined)
    return {
      move: { text: "Checking each claim.", calls: [{ tool: spec.name, input: { [param]: draft } }] },
      isDone: false,
    };
  const value = typeof checked.output === "string" ? (jsonIn(checked.output)?.value ?? null) : checked.output;
  const claims = isJsonObject(value) && Array.isArray(value["claims"]) ? value["claims"].filter(isJsonObject) : [];
  const good = claims.filter(({ verdict }) => verdict === "supported");
  const line = ({ verdict, claim, source }: JsonObject): string =>
    `- ${plain(verdict)}: ${plain(claim)} (${plain(source)})`;
  const text = `${good.length} of ${claims.length} claims are supported by their sources.`;
  return { move: { text: [text, ...claims.map(line)].join("\n"), calls: [] }, isDone: true };
}

/** The schema that a system text wants the last answer in, where the request itself cannot say it. */
export function schemaInSystem(system: string): JsonObject | undefined {
  const at = system.search(/fits this JSON Schema/i);
  const value = at < 0 ? null : (jsonIn(system.slice(at))?.value ?? null);
  return isJsonObject(value) ? value : undefined;
}

export function isReportSchema({ properties }: JsonObject): boolean {
  return isJsonObject(properties) && ["result", "evidence", "confidence"].every((name) => name in properties);
}

/** An answer as a report: its lines with sources are the evidence, and how much of the task they speak of the confidence. */
export function reportOf(text: string, { goal }: Situation, isAnswered: boolean | null): JsonObject {
  const evidence = text.split("\n").flatMap((line) => {
    const [, claim, source] = QUOTED.exec(line) ?? QUERIED.exec(line) ?? [];
    return claim === undefined || source === undefined ? [] : [{ claim, source }];
  });
  const reviewed = /^(\d+) of (\d+) claims/.exec(text);
  const wanted = new Set(stemsOf(goal));
  const said = new Set(stemsOf(text));
  const share = [...wanted].filter((stem) => said.has(stem)).length / Math.max(1, wanted.size);
  const rate = reviewed === null ? share : Number(reviewed[1]) / Math.max(1, Number(reviewed[2]));
  const isKnown = isAnswered !== false;
  return {
    status: "done",
    result: text,
    evidence: evidence.slice(0, 100),
    confidence: isKnown ? Math.round(rate * 100) / 100 : 0,
    openQuestions: isKnown ? [] : [goal],
  };
}
