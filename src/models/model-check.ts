import type { Clock } from "../core/clock.ts";
import { errorRecord, type ErrorRecord } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import { userText, type ToolCallPart } from "../core/message.ts";
import type { ModelEndpoint, ModelPart, ModelRequest, ModelSource, ToolSpec } from "../core/model-contract.ts";
import { costOf, type NanoUsd, type Usage } from "../core/usage.ts";
import { wallClock } from "./wall-clock.ts";

/** What one streamed tool call told about a model. */
export interface ModelCheck {
  readonly route: string;
  /** The endpoint that was asked; null where the route leads to none. */
  readonly endpoint: string | null;
  /** The model that answered, as its provider names it. */
  readonly model: string | null;
  readonly notice: string | null;
  /** Until the first part of the stream; null where none came. */
  readonly ttftMs: number | null;
  readonly totalMs: number | null;
  readonly usage: Usage | null;
  /** null = unpriced, or no usage was told */
  readonly costNanoUsd: NanoUsd | null;
  /** Where the price was read, and when. */
  readonly priceSource: string | null;
  /** What does not work or is not known, in words; empty = all is well. */
  readonly problems: readonly string[];
  /** Why there is no answer; null where there is one. */
  readonly error: ErrorRecord | null;
}

const CODE = "4711";
const probeTool: ToolSpec = {
  name: "report_code",
  description: "Report the code that the user names.",
  inputSchema: {
    type: "object",
    properties: { code: { type: "string", description: "The code, exactly as written." } },
    required: ["code"],
    additionalProperties: false,
  },
};
const probe: ModelRequest = {
  system: "You test a connection. Answer with exactly one call of the tool report_code.",
  messages: [userText(`The code is ${CODE}. Call report_code with it.`)],
  tools: [probeTool],
  // Room for a model that thinks before it calls.
  params: { maxOutputTokens: 2_048, toolChoice: "auto" },
};

export interface ModelCheckOptions {
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** Asks a model for one streamed tool call. Costs what that costs; a failure is an outcome, never thrown. */
export async function modelCheck(
  source: ModelSource,
  route: string,
  options: ModelCheckOptions = {},
): Promise<ModelCheck> {
  const clock = options.clock ?? wallClock;
  const next = source.next(route, [], 0);
  if (next.type === "give-up") return failed(route, null, next.error);
  const { endpoint } = next;
  const startedMs = clock.monotonicMs();
  let ttftMs: number | null = null;
  let deltas = 0;
  try {
    const signal = options.signal ?? new AbortController().signal;
    for await (const part of endpoint.generate(probe, { signal, requestId: "models-check", stream: true })) {
      ttftMs ??= clock.monotonicMs() - startedMs;
      if (part.type === "finish") {
        return checked({ route, endpoint, finish: part, ttftMs, totalMs: clock.monotonicMs() - startedMs, deltas });
      }
      deltas++;
    }
    const message = `"${endpoint.name}" ended its stream without a finish.`;
    return failed(route, endpoint, { code: "MODEL_BROKEN_STREAM", message });
  } catch (error) {
    return failed(route, endpoint, errorRecord(error, "MODEL_UNAVAILABLE"));
  }
}

interface Probed {
  readonly route: string;
  readonly endpoint: ModelEndpoint;
  readonly finish: Extract<ModelPart, { readonly type: "finish" }>;
  readonly ttftMs: number;
  readonly totalMs: number;
  readonly deltas: number;
}

function checked({ route, endpoint, finish, ttftMs, totalMs, deltas }: Probed): ModelCheck {
  const { price } = endpoint;
  const { usage } = finish;
  const isOffline = endpoint.provider === "offline";
  return {
    route,
    endpoint: endpoint.name,
    model: finish.model,
    notice: endpoint.notice ?? null,
    ttftMs: Math.round(ttftMs),
    totalMs: Math.round(totalMs),
    usage,
    costNanoUsd: usage === null ? null : costOf(usage, price),
    priceSource: price === null ? null : `${price.source} ${price.date}`,
    problems: [
      ...(isOffline ? [] : callProblems(finish.content.filter((part) => part.type === "tool-call"))),
      ...(deltas > 0 ? [] : ["it answered in one piece: nothing is shown while it works"]),
      ...(finish.finish === "length" ? ["the answer was cut at its limit of output"] : []),
      ...(usage === null ? ["it tells no usage: every call is charged at its worst case"] : []),
      ...(price === null ? ["its price is not known: set the option `prices`; until then costs are not counted"] : []),
      ...(endpoint.contextTokens === null
        ? ["its context window is not known: a prompt may be found too long only when sent"]
        : []),
    ],
    error: null,
  };
}

function callProblems(calls: readonly ToolCallPart[]): readonly string[] {
  const [call] = calls;
  if (call === undefined) return ["it called no tool: an agent cannot work with it"];
  const problems: string[] = [];
  if (calls.length > 1) problems.push(`it called ${calls.length} tools where one was asked for`);
  if (call.tool !== probeTool.name) problems.push(`it called a tool that does not exist: "${call.tool.slice(0, 64)}"`);
  else if (call.malformed === true) problems.push("the arguments of its call are not JSON");
  else if (!isJsonObject(call.input) || call.input["code"] !== CODE) {
    problems.push(`its call has other arguments than it was told: ${JSON.stringify(call.input).slice(0, 100)}`);
  }
  return problems;
}

function failed(route: string, endpoint: ModelEndpoint | null, error: ErrorRecord): ModelCheck {
  return {
    route,
    endpoint: endpoint?.name ?? null,
    model: null,
    notice: endpoint?.notice ?? null,
    ttftMs: null,
    totalMs: null,
    usage: null,
    costNanoUsd: null,
    priceSource: null,
    problems: [`${error.code}: ${error.message}`],
    error,
  };
}
