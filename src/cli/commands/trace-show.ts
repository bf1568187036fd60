import { PawlError } from "../../core/errors.ts";
import { checkId, rootRunIdOf, type RunRef } from "../../core/id.ts";
import type { Cause, Span, SpanRow } from "../../core/trace-contract.ts";
import { tokensOf } from "../../core/usage.ts";
import { countText, durationText } from "../figures.ts";
import { pasteable } from "../pasteable.ts";
import type { Place } from "../place.ts";
import type { TraceReader } from "../server-traces.ts";
import { columns, oneLine, paint, plain, say } from "../terminal.ts";
import { moneyText, readTraces } from "./traces.ts";

export interface TraceShowOptions extends Place {
  readonly limit?: string;
}

const ROWS_AT_ONCE = 500;
const ROWS_SHOWN = 1_000;
const ROWS_MAX = 1_000_000;

/** `pawl traces show RUN_ID`: the tree of spans, each with the sums of what is below it. */
export async function traceShow(runId: string, options: TraceShowOptions): Promise<number> {
  checkId("run id", rootRunIdOf(runId));
  const limit = options.limit === undefined ? ROWS_SHOWN : Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > ROWS_MAX)
    throw new PawlError("OPTION_INVALID", `--limit is "${options.limit}". Give a whole number from 1 to ${ROWS_MAX}.`);
  return readTraces(options, async ({ index, tenant }) => {
    const ref = { tenant, runId };
    for (let from = 0; from < limit; from += ROWS_AT_ONCE) {
      const { rows, total, startedAt } = await index.spans(ref, { from, limit: Math.min(ROWS_AT_ONCE, limit - from) });
      for (const row of rows) say(options.json === true ? JSON.stringify(row) : rowText(row, startedAt));
      if (from + rows.length >= total) return 0;
      if (from + ROWS_AT_ONCE >= limit && options.json !== true)
        say(
          paint(
            "dim",
            `… ${total - limit} more spans: ${pasteable(options, "traces", "show", runId, "--limit", String(total))}`,
          ),
        );
    }
    return 0;
  });
}

const kindColour = {
  run: "bold",
  model: "magenta",
  tool: "cyan",
  step: "cyan",
  child: "blue",
  ask: "yellow",
  takeover: "red",
  blocked: "red",
  guard: "red",
} as const;
const marks = {
  ok: "",
  error: "✗ ",
  unknown: "? ",
  refused: "⊘ ",
  open: "… ",
  waiting: "… ",
  cancelled: "⊘ ",
} as const;

function rowText(row: SpanRow, traceStart: number): string {
  const { kind, depth, status, callId, subtree, startedAt, endedAt, error } = row;
  const lead = "  ".repeat(Math.min(depth, 20));
  const after = paint("dim", `+${durationText(Math.max(0, startedAt - traceStart))}`);
  const figures = figuresOf(row);
  const call = callId === null || kind === "attempt" ? "" : ` ${callId}`;
  const took =
    endedAt === null
      ? status === "waiting"
        ? "waiting"
        : "open"
      : endedAt > startedAt
        ? durationText(endedAt - startedAt)
        : "";
  const failed = error === null ? "" : ` ${error.code}: ${error.message}`;
  const tail = [took, ...figures].filter((one) => one !== "").join(" · ");
  const room = Math.max(20, columns() - lead.length - kind.length - call.length - tail.length - 14);
  const name = oneLine(`${row.name.replace(new RegExp(`^${kind} `), "")}${failed}`, room);
  const mark = paint(status === "error" || status === "unknown" ? "red" : "yellow", marks[status]);
  const colour = kind in kindColour ? kindColour[kind as keyof typeof kindColour] : "dim";
  const sums = subtree.spans > 1 && tail !== "" ? `∑ ${tail}` : tail;
  return `${lead}${mark}${paint(colour, kind)}${paint("dim", call)} ${status === "error" ? paint("red", name) : name}  ${paint("dim", sums)} ${after}`;
}

function figuresOf({ subtree, bill }: SpanRow): readonly string[] {
  const tokens = tokensOf(subtree.usage);
  const isBilled = tokens > 0 || subtree.costNanoUsd > 0 || subtree.unpricedCalls > 0;
  return [
    tokens > 0 ? `${tokens} tokens` : "",
    isBilled ? moneyText(subtree) : "",
    bill?.assumed === true ? "assumed" : "",
    bill?.inherited === true ? "inherited" : "",
    subtree.errors > 0 && subtree.spans > 1 ? `${subtree.errors} failed` : "",
  ];
}

/** `pawl traces why RUN_ID CALL_ID`: where the words of a call's input came from. */
export async function traceWhy(runId: string, callId: string, options: Place): Promise<number> {
  checkId("run id", rootRunIdOf(runId));
  return readTraces(options, async ({ index, tenant }) => {
    const ref = { tenant, runId };
    const span = await spanOfCall(index, ref, callId);
    const detail = await index.span(ref, span.spanId);
    if (options.json === true) {
      say(JSON.stringify(detail));
      return 0;
    }
    say(`${paint("bold", `${span.kind} ${plain(span.name)}`)} ${paint("dim", callId)} ${span.status}`);
    if (detail.input !== null) say(`  input   ${oneLine(JSON.stringify(detail.input), columns() - 10)}`);
    if (detail.output !== null) say(`  output  ${oneLine(JSON.stringify(detail.output), columns() - 10)}`);
    const { request } = detail;
    if (request !== null) {
      say(
        `  prompt  ${countText(request.messages.length, "message")}, ${request.isProved ? "proved by its hash" : paint("red", "NOT the one that was sent: its hash differs")}`,
      );
      for (const { message, from } of request.messages)
        say(`          ${message.role}${from === null ? "" : ` · from ${from.name} ${paint("dim", from.callId)}`}`);
    }
    for (const cause of detail.causes) sayCause(cause);
    if (request === null && detail.causes.length === 0)
      say(paint("dim", "  no words of its input stood in anything that came before it."));
    return 0;
  });
}

function sayCause({ path, from, around }: Cause): void {
  const source = from.link === null ? from.kind : `${from.kind} ${from.link.name} ${from.link.callId}`;
  const trust = from.trusted ? paint("green", "trusted") : paint("yellow", "untrusted");
  say(`  ${paint("cyan", path === "" ? "/" : plain(path))} from ${plain(source)} (${trust})`);
  const before = plain(around.text.slice(0, around.start));
  const words = oneLine(around.text.slice(around.start, around.end), columns());
  const after = plain(around.text.slice(around.end));
  say(`      …${before.replaceAll(/\s+/g, " ")}${paint("underline", words)}${after.replaceAll(/\s+/g, " ")}…`);
}

/** @throws SPAN_UNKNOWN naming the calls that there are */
async function spanOfCall(index: TraceReader, ref: RunRef, callId: string): Promise<Span> {
  const calls: string[] = [];
  for (let from = 0; from < ROWS_MAX; from += ROWS_AT_ONCE) {
    const { rows, total } = await index.spans(ref, { from, limit: ROWS_AT_ONCE });
    for (const row of rows) {
      if (row.callId === null || row.kind === "attempt" || row.kind === "code" || row.runId !== ref.runId) continue;
      if (row.callId === callId) return row;
      if (!calls.includes(row.callId)) calls.push(row.callId);
    }
    if (from + rows.length >= total || rows.length === 0) break;
  }
  throw new PawlError(
    "SPAN_UNKNOWN",
    `run "${ref.runId}" has no call "${callId.slice(0, 60)}". It has: ${calls.slice(0, 20).join(", ") || "none"}${calls.length > 20 ? ", …" : ""}.`,
  );
}
