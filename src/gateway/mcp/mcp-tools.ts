import {
  type CallToolRequestParams,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  type InputRequests,
  type InputRequiredResult,
  inputResponse,
  isCallToolResult,
  type ServerContext,
  type Tool,
} from "@modelcontextprotocol/server";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Runnable } from "../../core/runnable.ts";
import type { ToolDefinition } from "../../core/tool-contract.ts";
import { sanitise } from "../../core/sanitise.ts";
import { isSettled } from "../../engine/run-handle.ts";
import type { Caller } from "../caller.ts";
import { mayCall } from "../roles.ts";
import type { InnerApi } from "./inner-api.ts";

const text = (description: string): JsonObject => ({ type: "string", minLength: 1, maxLength: 255, description });
const runIdSchema: JsonObject = { type: "object", properties: { runId: text("Id of a run") }, required: ["runId"] };

const getRun = {
  name: "get_run",
  description: "How a run stands, and its outcome when it has ended. Waits a while for one that is still on its way.",
  inputSchema: { ...runIdSchema, type: "object" },
  annotations: { readOnlyHint: true, openWorldHint: false },
} satisfies Tool;
const cancelRun = {
  name: "cancel_run",
  description: "Asks a run to end. What it has done stays done.",
  inputSchema: { ...runIdSchema, type: "object" },
  annotations: { idempotentHint: true, openWorldHint: false },
} satisfies Tool;

/** What a caller may use: who may start runs has a tool for each agent, and each offered tool that is granted. */
export async function toolsFor(
  runnables: readonly Runnable[],
  { roles }: Caller,
  api: InnerApi,
): Promise<readonly Tool[]> {
  if (!mayCall(roles, "run")) return [getRun];
  const own = runnables.filter(({ name }) => !isOwn(name));
  const granted = own.some(({ offers }) => offers !== undefined) ? await grantedTools(api) : new Set();
  const usable = own.filter(({ name, version, offers }) => offers === undefined || granted.has(`${name}@${version}`));
  return [...usable.map(toolOf), getRun, ...(mayCall(roles, "operate") ? [cancelRun] : [])];
}

async function grantedTools(api: InnerApi): Promise<ReadonlySet<string>> {
  const { body } = await api.get("/tools");
  const lines = Array.isArray(body["items"]) ? body["items"].filter(isJsonObject) : [];
  const usable = lines.filter(
    ({ state, missing }) => state !== "quarantined" && Array.isArray(missing) && missing.length === 0,
  );
  return new Set(usable.map(({ name, version }) => `${said(name)}@${said(version)}`));
}

function isOwn(name: string): boolean {
  return name === getRun.name || name === cancelRun.name;
}

function toolOf({ name, description, inputSchema, offers }: Runnable): Tool {
  if (offers !== undefined) return { name, description, ...ofTool(offers) };
  const key = "Any id of yours for this start: a repeat with the same key and input gives the same run.";
  const properties: JsonObject = {
    input: inputSchema ?? {},
    key: text(key),
    threadId: text("Continues this conversation"),
  };
  return {
    name,
    description: `${description || `The agent ${name}.`} Starts a durable run and waits for it; one that takes longer gives its runId for get_run.`,
    inputSchema: {
      type: "object",
      // the cast: members of a JSON object are JSON
      properties: properties as NonNullable<Tool["inputSchema"]["properties"]>,
      required: inputSchema === null ? [] : ["input"],
      additionalProperties: false,
    },
    annotations: { readOnlyHint: false },
  };
}

function ofTool({ inputSchema, effect, flow }: ToolDefinition): Pick<Tool, "inputSchema" | "annotations"> {
  return {
    inputSchema: { ...inputSchema, type: "object" },
    annotations: {
      readOnlyHint: effect === "pure",
      idempotentHint: effect !== "once",
      destructiveHint: effect !== "pure" && flow?.reversible !== true,
      openWorldHint: effect !== "pure" || flow?.egress === true,
    },
  };
}

export interface McpCall {
  readonly api: InnerApi;
  readonly runnables: readonly Runnable[];
  readonly caller: Caller;
  readonly params: CallToolRequestParams;
  readonly ctx: ServerContext;
  /** Where people find the gateway. */
  readonly origin: string;
  readonly nowMs: () => number;
}

export async function callTool(call: McpCall): Promise<CallToolResult | InputRequiredResult> {
  const { params, ctx, api } = call;
  const args: JsonObject = isJsonObject(params.arguments) ? params.arguments : {};
  const held = ctx.mcpReq.requestState();
  if (typeof held === "string" && !isOwn(params.name)) {
    return (await decided(call)) ?? followed(call, held);
  }
  if (isOwn(params.name)) {
    const { runId } = args;
    if (typeof runId !== "string") return failed("give { runId }, a text.");
    if (params.name === getRun.name) return followed(call, runId);
    const asked = await api.post(`/runs/${encodeURIComponent(runId)}/cancel`, { reason: "asked over MCP" });
    return asked.ok ? followed(call, runId) : refused(asked.body);
  }
  const isTool = offeredBy(call) !== undefined;
  const { key, input = null, threadId, ...rest } = isTool ? { input: args } : args;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined)
    return failed(`there is no argument "${unknown.slice(0, 60)}". Give { input, key, threadId }.`);
  if (key !== undefined && typeof key !== "string") return failed("key is a text.");
  const body = { agent: params.name, input, ...(threadId !== undefined && { threadId }) };
  const started = await api.post("/runs", body, key);
  if (!started.ok || typeof started.body["runId"] !== "string") return refused(started.body);
  return followed(call, started.body["runId"]);
}

function offeredBy({ runnables, params }: McpCall): ToolDefinition | undefined {
  return runnables.find(({ name }) => name === params.name)?.offers;
}

/** Waits for a run as long as a request may last, and says how it stands. */
async function followed(call: McpCall, runId: string): Promise<CallToolResult | InputRequiredResult> {
  const { api, ctx, nowMs } = call;
  const path = `/runs/${encodeURIComponent(runId)}`;
  const token = ctx.mcpReq._meta?.progressToken;
  const until = nowMs() + limits.mcpWaitMs;
  const tell = async (progress: number, status: string): Promise<void> => {
    if (token === undefined) return;
    const params = { progressToken: token, progress, message: `${runId}: ${status}` };
    await ctx.mcpReq.notify({ method: "notifications/progress", params });
  };
  await tell(0, "started");
  for (let progress = 1; ; progress++) {
    // who asks for progress hears of it soon, and then less and less often
    const pollMs = token === undefined ? limits.mcpPollMs : Math.min(limits.mcpPollMs, 100 * 2 ** progress);
    const left = Math.min(pollMs, until - nowMs());
    const { ok, body } = await api.get(`${path}/result?waitMs=${Math.max(0, Math.floor(left))}`);
    if (!ok) return refused(body);
    const status = said(body["status"]);
    await tell(progress, status);
    if (isSettled(status) || left <= 0 || ctx.mcpReq.signal.aborted) return outcomeOf(call, runId, body);
  }
}

async function outcomeOf(
  call: McpCall,
  runId: string,
  body: JsonObject,
): Promise<CallToolResult | InputRequiredResult> {
  const status = said(body["status"]);
  if (status === "completed" || status === "stopped") {
    const { output = null } = body;
    // an offered tool may answer with pictures, sound and resources, as MCP has them
    if (offeredBy(call) !== undefined && isCallToolResult(output)) return output;
    const shown = typeof output === "string" ? output : JSON.stringify(output, null, 2);
    return { content: [{ type: "text", text: shown }], structuredContent: { runId, status, output } };
  }
  if (status === "failed" || status === "cancelled") return { ...told(body), isError: true };
  if (status === "awaiting_approval") {
    const asked = await questions(call, runId, body);
    return asked ?? told({ ...body, next: `A person decides at ${call.origin}/reviews. Then call get_run.` });
  }
  return told({ runId, status, next: `Call get_run with {"runId":"${runId}"} to wait on.` });
}

/** Approvals are asked where the caller may decide them and its client can put questions to a person. */
async function questions(call: McpCall, runId: string, body: JsonObject): Promise<InputRequiredResult | null> {
  const { ctx, caller, params, api } = call;
  const can = canAsk(ctx);
  const ids = Array.isArray(body["approvals"]) ? body["approvals"].slice(0, limits.mcpQuestions) : [];
  if (!can || ids.length === 0 || isOwn(params.name) || !mayCall(caller.roles, "review")) return null;
  const inputRequests: { [id: string]: InputRequests[string] } = {};
  for (const approvalId of ids) {
    const id = said(approvalId as JsonValue);
    const { ok, body: approval } = await api.get(`/approvals/${encodeURIComponent(id)}`);
    if (!ok) return null;
    inputRequests[`${id} ${said(approval["actionHash"])}`] = inputRequired.elicit({
      message: messageOf(approval),
      requestedSchema: {
        type: "object",
        properties: {
          approve: { type: "boolean", title: "Approve this call", description: "false rejects it" },
          reason: { type: "string", title: "Why", maxLength: 1_000 },
        },
        required: ["approve"],
      },
    });
  }
  return inputRequired({ inputRequests, requestState: runId });
}

function canAsk({ mcpReq }: ServerContext): boolean {
  const said: { readonly [key: string]: unknown } = { ...mcpReq.envelope };
  const client = said[CLIENT_CAPABILITIES_META_KEY];
  return isJsonObject(client) && client["elicitation"] !== undefined;
}

function said(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

function messageOf({ question = "", tool = null, input = null }: JsonObject): string {
  const what = tool === null ? "" : `\n${said(tool)} ${JSON.stringify(input)}`;
  return sanitise(`${said(question)}${what}`).text.slice(0, limits.mcpQuestionChars);
}

/** Carries out what the person said, each bound to the call that was shown. @returns what went wrong; null = nothing */
async function decided({ ctx, api }: McpCall): Promise<CallToolResult | null> {
  const responses = ctx.mcpReq.inputResponses ?? {};
  for (const name of Object.keys(responses).slice(0, limits.mcpQuestions)) {
    const [id = "", shownHash = ""] = name.split(" ");
    const given = inputResponse(responses, name);
    // whoever closes a question has not answered it: the run waits on
    if (given.kind !== "elicit" || given.action === "cancel") continue;
    const { approve = false, reason } = given.content ?? {};
    const body: JsonObject = {
      decision: given.action === "accept" && approve === true ? "approve" : "reject",
      shownHash,
      ...(typeof reason === "string" && reason !== "" && { reason: reason.slice(0, 1_000) }),
    };
    const answer = await api.post(`/approvals/${encodeURIComponent(id)}/decision`, body);
    if (!answer.ok) return refused(answer.body);
  }
  return null;
}

function told(body: JsonObject): CallToolResult {
  return { content: [{ type: "text", text: JSON.stringify(body) }], structuredContent: { ...body } };
}

function refused(problem: JsonObject): CallToolResult {
  return failed(`${said(problem["code"])}: ${said(problem["detail"])}`);
}

function failed(why: string): CallToolResult {
  return { isError: true, content: [{ type: "text", text: why }] };
}
