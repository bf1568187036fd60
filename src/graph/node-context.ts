import { callTool } from "../agent/tool-call.ts";
import { memoOf } from "../agent/memo.ts";
import { errorTable, type ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import { withFenceRule } from "../core/fence.ts";
import { hashLink, hashText } from "../core/hash.ts";
import { toolCallsOf, type Message, type ToolResultPart } from "../core/message.ts";
import type { ModelParams } from "../core/model-contract.ts";
import { digestOf, partIdOf } from "../core/run-context.ts";
import type { AskSpec, PromptDraft, TurnContext } from "../core/runnable.ts";
import { jsonSchemaOf, parseWith, type Schema } from "../core/schema.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import { functionContext, type FunctionContext } from "../engine/durable-function.ts";
import type { Sent } from "./graph-state.ts";

export interface ChatSpec {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly system?: string;
  readonly tools?: readonly ToolDefinition[];
  readonly params?: Partial<ModelParams>;
}

/** What a node is given: every call is recorded, and answered from the record on replay. */
export interface NodeContext extends Omit<FunctionContext, "loop" | "loopState"> {
  /**
   * Asks a model. The graph's conversation grows by what is new in `messages`: only that is recorded.
   * @returns its answer; throws with the model's code when there is none
   */
  chat(spec: ChatSpec): Promise<Message>;
  /** Carries out every tool call of the last message, all at once. @returns one message with a result for each */
  callTools(messages: readonly Message[]): Promise<Message>;
  /**
   * Asks a person and waits, for days where it must: the run is parked meanwhile.
   * @returns their answer, as the schema parses it; throws APPROVAL_REJECTED when they refuse or the time is over
   */
  interrupt<T>(
    question: string,
    schema: Schema<unknown, T>,
    options?: Omit<AskSpec, "question" | "schema">,
  ): Promise<T>;
}

const OUTPUT_TOKENS = 4_096;

/** The one conversation of a run that grows from turn to turn. */
export class Conversation {
  readonly #ctx: TurnContext;
  readonly #tools: readonly ToolDefinition[];
  #sent: Sent | null;
  #isTaken = false;

  constructor(ctx: TurnContext, tools: readonly ToolDefinition[], sent: Sent | null) {
    this.#ctx = ctx;
    this.#tools = tools;
    this.#sent = sent;
  }

  get sent(): Sent | null {
    return this.#sent;
  }

  async chat(on: TurnContext, { model, messages, system = "", tools = [], params }: ChatSpec): Promise<Message> {
    const readsTools = tools.length > 0 || messages.some(({ role }) => role === "tool");
    const outcome = await on.model({
      route: model,
      system: readsTools ? withFenceRule(system, on.state.started) : system,
      tools: tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
      params: { maxOutputTokens: OUTPUT_TOKENS, ...params },
      ...this.#added(messages),
    });
    if (outcome.status === "failed") throw new PawlError(knownCode(outcome.error.code), outcome.error.message);
    return outcome.message;
  }

  /** A second request in one turn, or one of another conversation, is recorded whole and beside this one. */
  #added(messages: readonly Message[]): {
    readonly context: string;
    readonly add: readonly PromptDraft[];
    readonly drop?: number;
  } {
    const whole = messages.map((message): PromptDraft => ({ message }));
    const digests = messages.map((message) => digestOfMessage(message));
    const [first = ""] = digests;
    if (this.#isTaken || (this.#sent !== null && this.#sent.first !== first)) return { context: "graph", add: whole };
    const { count = 0, digest = "" } = this.#sent ?? {};
    const isSame = count <= messages.length && chainOf(digests.slice(0, count)) === digest;
    this.#isTaken = true;
    this.#sent = { count: messages.length, digest: chainOf(digests), first };
    if (isSame) return { context: "main", add: messages.slice(count).flatMap((message) => this.#drafts(message)) };
    return { context: "main", add: whole, drop: this.#ctx.state.context.entries.length };
  }

  /** Named by its event where the journal holds the same, else as it is. */
  #drafts(message: Message): readonly PromptDraft[] {
    const { pending } = this.#ctx.state.context;
    const found =
      message.role === "tool"
        ? message.content.map((part) =>
            pending.find(
              ({ source }) =>
                source.kind === "tool" &&
                source.callId === part.callId &&
                digestOf(source.ref) === hashText(JSON.stringify(part.output)),
            ),
          )
        : [
            pending.find(
              ({ source }) => source.kind === "assistant" && digestOf(source.ref) === digestOfMessage(message),
            ),
          ];
    const seqs = found.flatMap((entry) => (entry === undefined ? [] : [{ seq: entry.seq }]));
    return seqs.length === found.length && seqs.length > 0 ? seqs : [{ message }];
  }

  async callTools(on: TurnContext, messages: readonly Message[]): Promise<Message> {
    const last = messages.at(-1);
    const calls = last === undefined ? [] : toolCallsOf(last);
    if (calls.length === 0)
      throw new PawlError(
        "TOOL_INPUT_INVALID",
        "the last message calls no tool. Lead to this node only where toolCallsOf(messages.at(-1)) has some.",
      );
    const definition = {
      name: "graph",
      model: "",
      instructions: "",
      tools: this.#tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
      params: { maxOutputTokens: 0 },
      contextTokens: 0,
      outputSchema: null,
    };
    const turn = {
      ctx: on,
      code: { parseOutput: null, grounding: null },
      definition,
      memo: memoOf(null),
      forbidden: [],
    };
    const modelCallId = calls[0]?.callId.replace(/-0$/, "") ?? "";
    if (calls.some((call, index) => call.callId !== partIdOf(modelCallId, index)))
      throw new PawlError("TOOL_INPUT_INVALID", "the last message is not as a model answered it. Add it unchanged.");
    const results = calls.map(async (call, index): Promise<ToolResultPart> => {
      const { outcome } = await callTool(turn, modelCallId, calls, index);
      const isError = outcome.status !== "returned";
      return {
        type: "tool-result",
        callId: call.callId,
        tool: call.tool,
        output: outcome.shown,
        ...(isError && { isError }),
      };
    });
    return { role: "tool", content: await Promise.all(results) };
  }
}

/** The context of one attempt at a node. Once it is over, nothing that its code still does is heard. */
export function nodeContext(ctx: TurnContext, conversation: Conversation, isOver: () => boolean): NodeContext {
  const base = functionContext(unlessOver(ctx, isOver), null);
  const own: Pick<NodeContext, "chat" | "callTools" | "interrupt"> = {
    chat: (spec) => conversation.chat(base, spec),
    callTools: (messages) => conversation.callTools(base, messages),
    interrupt: (question, schema, options) => interrupt(base, question, schema, options),
  };
  return new Proxy(own, {
    get: (target, key) => (key in target ? Reflect.get(target, key) : Reflect.get(base, key)) as unknown,
  }) as unknown as NodeContext;
}

function unlessOver(ctx: TurnContext, isOver: () => boolean): TurnContext {
  return new Proxy(ctx, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      return (...args: readonly unknown[]): unknown =>
        isOver() ? Promise.race([]) : (Reflect.apply(member, target, args) as unknown);
    },
  });
}

async function interrupt<T>(
  ctx: TurnContext,
  question: string,
  schema: Schema<unknown, T>,
  options: Omit<AskSpec, "question" | "schema"> = {},
): Promise<T> {
  const what = `the answer to "${question.slice(0, 60)}"`;
  const { decision, answer, by, reason, expired } = await ctx.ask({
    ...options,
    question,
    schema: jsonSchemaOf(what, schema),
  });
  if (decision === "reject") {
    const who = expired ? "nobody answered in time" : `${by} refused${reason === null ? "" : `: ${reason}`}`;
    throw new PawlError("APPROVAL_REJECTED", `${what}: ${who}.`);
  }
  const parsed = parseWith(what, schema, answer);
  if (parsed.ok) return parsed.value as T;
  const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
  throw new PawlError("ANSWER_INVALID", `${what} does not fit its schema: ${issues}`);
}

/** A recorded code of a newer version is told as a throw. */
function knownCode(code: string): ErrorCode {
  return Object.hasOwn(errorTable, code) ? (code as ErrorCode) : "BODY_THREW";
}

const digests = new WeakMap<Message, string>();

function digestOfMessage(message: Message): string {
  const known = digests.get(message);
  if (known !== undefined) return known;
  const digest = hashText(JSON.stringify(message));
  digests.set(message, digest);
  return digest;
}

function chainOf(list: readonly string[]): string {
  return list.reduce((chain, digest) => hashLink(chain, digest), "");
}
