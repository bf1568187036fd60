import type { JsonValue } from "../core/json.ts";
import { textOf } from "../core/message.ts";
import type { ModelRequest, ToolSpec } from "../core/model-contract.ts";
import { answerOf, citationStyleOf, isAnswered, mend } from "./offline-answer.ts";
import { arithmeticIn, numberIn } from "./offline-arithmetic.ts";
import { asksForSummary, fillSchema, quotesFromText, type Source, summaryOf } from "./offline-extract.ts";
import { donePlanCall, type Move, nextInquiry, type Research, researchOf } from "./offline-research.ts";
import { isReportSchema, leadMove, reportOf, reviewMove, schemaInSystem, writtenReport } from "./offline-team.ts";
import { tableMove } from "./offline-sql.ts";
import { type BoundTools, bindTools } from "./offline-tools.ts";
import { type Situation, situationOf } from "./offline-transcript.ts";

const NO_MODEL = "offline/extractive has no language model: it can only quote.";
const TITLE_CHARS = 100;
const SUMMARY_CHARS = 4_000;

/** What to do about a request: read from the request alone, the same every time. */
export function nextMove(request: ModelRequest): Move {
  const { tools, params } = request;
  const situation = situationOf(request.messages);
  const bound = bindTools(tools);
  const mayCall = params.toolChoice !== "none" && tools.length > 0;
  const move = chosenMove(request, situation, bound);
  if (move.calls.length === 0 || mayCall) return forced(request, situation, move);
  return say(request, answerText(request, situation, researchOf(situation, bound)));
}

function chosenMove(request: ModelRequest, situation: Situation, tools: BoundTools): Move {
  const led = leadMove(request, situation);
  if (led !== null) return led;
  const reviewed = reviewMove(request, situation);
  if (reviewed !== null) return reviewed.isDone ? say(request, reviewed.move.text, true) : reviewed.move;
  const table = tableMove(request, situation);
  if (table !== null) return table.isDone ? say(request, table.move.text, table.found) : table.move;
  const saved = saveMove(request, situation, tools);
  if (saved !== null) return saved;
  const sum = arithmeticIn(situation.goal);
  if (sum !== null && tools.calculate !== undefined) return sumMove(request, sum, situation, tools);
  if (tools.search === undefined) return textMove(request, situation);
  const research = researchOf(situation, tools);
  if (situation.feedback !== null) {
    const mended = mend(situation.feedback, research, tools);
    if (mended !== null) return mended;
  }
  const inquiry = nextInquiry(research, { ...tools, search: tools.search });
  return inquiry ?? answerMove(request, situation, { research, tools });
}

/**
 * The answer; and where the instructions want it saved, the call that saves it. The plan is done with that call, or in a
 * message of its own before an answer without calls.
 */
function answerMove(
  request: ModelRequest,
  situation: Situation,
  { research, tools }: { readonly research: Research; readonly tools: BoundTools },
): Move {
  const text = answerText(request, situation, research);
  const isSaved = situation.calls.some(({ tool }) => tool === tools.save?.tool);
  const wantsSaving =
    /\b(save|store)\b/i.test(request.system) && !/\b(do not|don't|never) (save|store)\b/i.test(request.system);
  const hasAnswer = isAnswered(research, situation.feedback);
  const plan = donePlanCall(research, tools);
  if (tools.save !== undefined && !isSaved && wantsSaving && hasAnswer)
    return { text, calls: [...plan, saveCall(tools.save, situation, text)] };
  return plan.length > 0 ? { text: "Everything in the plan is done.", calls: plan } : say(request, text, hasAnswer);
}

function answerText({ system }: ModelRequest, { feedback }: Situation, research: Research): string {
  return answerOf(research, citationStyleOf(system), feedback);
}

/** "Save it" said after an answer. */
function saveMove(request: ModelRequest, situation: Situation, { save }: BoundTools): Move | null {
  const { answer, feedback, calls } = situation;
  if (save === undefined || answer === null || feedback === null || !/\b(save|store)\b/i.test(feedback)) return null;
  const done = calls.findLast(({ tool }) => tool === save.tool);
  if (done === undefined) return { text: "", calls: [saveCall(save, situation, answer)] };
  const output = typeof done.output === "string" ? done.output : JSON.stringify(done.output);
  return say(
    request,
    done.isError
      ? `The report was not saved: ${output.slice(0, 300)}`
      : `The report was saved: ${output.slice(0, 300)}`,
  );
}

function saveCall(save: NonNullable<BoundTools["save"]>, { goal }: Situation, content: string): Move["calls"][number] {
  const title = goal
    .replaceAll(/\s+/g, " ")
    .replace(/[?.!\s]+$/, "")
    .slice(0, TITLE_CHARS);
  return { tool: save.tool, input: { [save.title]: title === "" ? "Report" : title, [save.content]: content } };
}

function sumMove(request: ModelRequest, sum: string, situation: Situation, { calculate }: BoundTools): Move {
  if (calculate === undefined) return say(request, "");
  const done = situation.calls.findLast(({ tool }) => tool === calculate.tool);
  const about = request.tools.find(({ name }) => name === calculate.tool)?.description ?? "";
  const expression = about.includes("**") || !about.includes("^") ? sum.replaceAll("^", "**") : sum;
  if (done === undefined)
    return {
      text: `Calculating ${expression}`,
      calls: [{ tool: calculate.tool, input: { [calculate.expression]: expression } }],
    };
  const result = done.isError ? null : numberIn(done.output);
  return say(
    request,
    result === null ? `It cannot be calculated: ${outputText(done.output)}` : `${expression} = ${result}`,
    result !== null,
  );
}

function outputText(output: JsonValue): string {
  return (typeof output === "string" ? output : JSON.stringify(output)).slice(0, 300);
}

/** Without documents: a summary, quotations from the message itself, or the plain statement that this needs a model. */
function textMove(request: ModelRequest, situation: Situation): Move {
  const written = writtenReport(request, situation);
  if (written !== null) return say(request, written, true);
  if (asksForSummary(request.system, situation.goal)) {
    const chars = Math.min(SUMMARY_CHARS, request.params.maxOutputTokens * 3);
    const summary = summaryOf(request.messages, chars);
    if (summary !== "") return say(request, summary, true);
  }
  const quotes = quotesFromText(situation.goal);
  if (quotes !== null) return say(request, quotes, true);
  const offered = request.tools.map(({ name }) => `"${name}"`).join(", ");
  const about = offered === "" ? "There is no text here to quote from." : `It cannot decide whether to use ${offered}.`;
  return say(request, `${NO_MODEL} ${about} Set ANTHROPIC_API_KEY for a real one.`, false);
}

/** The answer as text, or in the shape that the request wants. */
function say({ params, messages, system }: ModelRequest, text: string, isAnswered: boolean | null = null): Move {
  const schema = params.outputSchema ?? schemaInSystem(system);
  if (schema === undefined) return { text, calls: [] };
  if (isReportSchema(schema))
    return { text: JSON.stringify(reportOf(text, situationOf(messages), isAnswered)), calls: [] };
  const all = messages.map(textOf).join("\n");
  const source: Source = { text: all, answer: isAnswered === false ? "" : text, isAnswered };
  const filled = fillSchema(schema, source);
  if (filled.ok) return { text: JSON.stringify(filled.value), calls: [] };
  return { text: `${NO_MODEL} It found nothing for "${filled.path}" (${filled.wanted}). ${text}`, calls: [] };
}

/** A request that insists on one tool gets it where the texts at hand fill its schema. */
function forced(request: ModelRequest, { goal }: Situation, move: Move): Move {
  const { toolChoice } = request.params;
  const spec = typeof toolChoice === "object" ? request.tools.find(({ name }) => name === toolChoice.tool) : undefined;
  if (spec === undefined || move.calls.some(({ tool }) => tool === spec.name)) return move;
  const filled = fillSchema(spec.inputSchema, {
    text: request.messages.map(textOf).join("\n"),
    answer: move.text || goal,
    isAnswered: null,
  });
  if (!filled.ok || !isCallInput(filled.value)) return { text: unfilled(spec, move), calls: [] };
  return { text: "", calls: [{ tool: spec.name, input: filled.value }] };
}

function isCallInput(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unfilled({ name }: ToolSpec, { text }: Move): string {
  return `${NO_MODEL} It cannot fill the arguments of "${name}". ${text}`;
}
