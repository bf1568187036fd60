import { approversFor } from "../core/approver-rules.ts";
import type { Clock } from "../core/clock.ts";
import {
  acts,
  guardCall,
  strictestProfile,
  type ArgumentOrigin,
  type GuardProfile,
  type GuardScene,
  type Policy,
  type PolicyCall,
} from "../core/guard-rules.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import type { Ref } from "../core/label.ts";
import { textOf, type Message } from "../core/message.ts";
import { folded, NamedText } from "../core/named-text.ts";
import { strictest, type Verdict } from "../core/policy.ts";
import { leavesOf } from "../core/provenance.ts";
import { taskSetOf } from "../core/run-trust.ts";
import { linksIn, strangeLinksIn } from "../core/strange-links.ts";
import type { ToolCallSpec } from "../core/runnable.ts";
import type { RunState } from "../core/run-state.ts";
import type { ToolDefinition } from "../core/tool-contract.ts";
import type { TaskScope } from "../core/told-event.ts";
import type { EngineDeps } from "./deps.ts";
import { Detected } from "./detected.ts";
import { RunReading, type RunReadingOptions } from "./run-reading.ts";
import { withTimeLimit } from "./time-limit.ts";
import type { Values } from "./values.ts";

const nobody = new NamedText([]);
const POLICY_MS = 5_000;
const ORIGINS_MAX = 32;
const VALUE_CHARS = 200;
/** Results beside the first that a value is said to stand in. */
const ALSO_MAX = 8;

/** Judges the calls of one run before they are recorded: the task's set, where arguments came from, what cannot be undone. */
export class TaskGuard {
  readonly #deps: EngineDeps;
  readonly #runId: string;
  readonly #values: Values;
  readonly #developer: NamedText;
  readonly #instructions: string;
  readonly #reading: RunReading;
  readonly #detected: Detected;
  #prompt: {
    readonly of: RunState["trust"]["said"];
    readonly texts: readonly string[];
    readonly named: NamedText;
  } | null = null;

  /** @param definition as recorded: what a developer wrote */
  constructor(reading: RunReadingOptions, definition: JsonValue | null) {
    this.#deps = reading.deps;
    this.#runId = reading.ref.runId;
    this.#values = reading.values;
    const instructions = isJsonObject(definition) ? definition["instructions"] : undefined;
    this.#instructions = typeof instructions === "string" ? instructions : "";
    this.#developer = new NamedText([this.#instructions]);
    this.#reading = new RunReading(reading);
    this.#detected = new Detected(reading.deps, reading.ref);
  }

  /** The call with the strictest verdict of its author's rule, the guard and the operator's rules, and its origins. */
  async judged(spec: ToolCallSpec, state: RunState): Promise<ToolCallSpec> {
    const tool = this.#deps.registry.tool(spec.tool.name, spec.tool.version);
    if (tool === null || spec.refusal !== undefined) return spec;
    const { verdict, origins } = await this.#finding(spec, tool, state);
    const seen = await this.#seen(tool, state);
    const told = [...(await this.#toldBy(spec, origins, state)), ...seen];
    if (verdict.rules.length === 0 && told.length === 0 && origins.length === 0) return spec;
    const found = strictest([spec.verdict, verdict, ...told]);
    const also = found.decision === "allow" ? [verdict, ...seen] : seen;
    const rules = [...found.rules, ...also.flatMap((one) => one.rules)];
    const why = found.reason === undefined ? "" : ` (${found.reason})`;
    const isOurs = found.decision === "ask" && spec.verdict.decision !== "ask";
    return {
      ...spec,
      verdict: { ...found, rules: [...new Set(rules)] },
      ...(origins.length > 0 && { provenance: provenanceOf(origins, state) }),
      ...(isOurs && {
        ask: { question: `Allow ${tool.name}?${why}`, ...approversFor(tool, spec.args, state.started.tenant) },
      }),
    };
  }

  /** Places that an answer links to and neither people nor the developer named: none of a run that read nothing untrusted. */
  async strangeLinks(answer: JsonValue, state: RunState): Promise<readonly string[]> {
    if (state.trust.tainted === null) return [];
    const text = leavesOf(answer)
      .map(({ value }) => String(value))
      .join("\n");
    if (linksIn(text).length === 0) return [];
    const { texts, named } = await this.#said(state);
    const linked = new Set([...texts, this.#instructions].flatMap((one) => linksIn(one)).map(({ host }) => host));
    const isNamed = (host: string): boolean => linked.has(host) || named.names(host) || this.#developer.names(host);
    return this.#values.clean([...strangeLinksIn(text, isNamed)]) as readonly string[];
  }

  /** What a child's task is held to: never more than its parent's; null = nothing. */
  async taskOfChild(state: RunState): Promise<TaskScope | null> {
    const tools = taskSetOf(state.started.task, state.trust);
    const isTainted = state.trust.tainted !== null;
    const profile = this.#profile(state);
    const isOwn = profile !== strictestProfile([this.#deps.guard?.profile]);
    if (tools === null && !isTainted && !isOwn) return null;
    const texts = isTainted ? (await this.#said(state)).texts : [];
    return {
      ...(tools !== null && { tools: [...tools] }),
      ...(isOwn && { profile }),
      ...(isTainted && { promptRef: await this.#values.put([...texts], { source: "trusted", origin: "prompt" }) }),
    };
  }

  #profile({ started }: RunState): GuardProfile {
    return strictestProfile([started.guard, this.#deps.guard?.profile]);
  }

  async #finding(spec: ToolCallSpec, tool: ToolDefinition, state: RunState) {
    const { tainted, confidential } = state.trust;
    const scene: GuardScene = {
      profile: this.#profile(state),
      taskSet: taskSetOf(state.started.task, state.trust),
      isTainted: tainted !== null,
      isConfidential: confidential !== null,
      prompt: nobody,
      developer: nobody,
      facts: null,
    };
    const call = { tool, args: spec.args };
    if (!acts(tool) || (tainted === null && confidential === null))
      return { ...guardCall(call, { ...scene, isTainted: false }), origins: [] };
    const asked: GuardScene = {
      ...scene,
      prompt: (await this.#said(state)).named,
      developer: spec.modelCallId === undefined ? await this.#ofCode(state) : this.#developer,
    };
    const first = guardCall(call, asked);
    if (!first.origins.some(({ origin }) => origin.source === "model")) return first;
    const facts = asked.taskSet === null ? null : await this.#reading.facts(state, asked.prompt);
    const found = facts === null ? first : guardCall(call, { ...asked, facts });
    return { ...found, origins: await this.#located(found.origins, state) };
  }

  /** What code passes is its developer's word, unless it stands in what the run has read and in no call before that. */
  async #ofCode(state: RunState): Promise<GuardScene["developer"]> {
    const read = await this.#reading.untrusted(state);
    const written = await this.#reading.writtenBefore(state, state.trust.tainted?.seq ?? Infinity);
    return { names: (value) => written.has(folded(String(value))) || read.every((text) => !text.holds(value)) };
  }

  /** What detectors find in what the run has read. */
  async #seen(tool: ToolDefinition, state: RunState): Promise<readonly Verdict[]> {
    const { detectors = [] } = this.#deps.guard ?? {};
    if (detectors.length === 0 || state.trust.tainted === null || !acts(tool)) return [];
    const found = await this.#detected.verdicts(await this.#reading.untrusted(state));
    if (this.#profile(state) !== "observe") return found;
    return found.map(({ rules }) => ({ decision: "allow", rules: rules.map((rule) => `observe:${rule}`) }));
  }

  async #located(origins: readonly ArgumentOrigin[], state: RunState): Promise<readonly ArgumentOrigin[]> {
    const read = await this.#reading.untrusted(state);
    return origins.map((one): ArgumentOrigin => {
      if (one.origin.source !== "model" || typeof one.value === "boolean") return one;
      const { value } = one;
      const [first, ...later] = read.filter((text) => text.holds(value));
      if (first === undefined) return one;
      const also = later.slice(0, ALSO_MAX).map(({ callId, tool }) => ({ callId, tool }));
      const { callId, tool } = first;
      const around = first.around(value);
      return { ...one, origin: { source: "untrusted", callId, tool, around, ...(also.length > 0 && { also }) } };
    });
  }

  async #toldBy(
    spec: ToolCallSpec,
    origins: readonly ArgumentOrigin[],
    { started, trust }: RunState,
  ): Promise<readonly Verdict[]> {
    const policies = this.#deps.guard?.policies ?? [];
    const isolation = this.#deps.registry.tool(spec.tool.name, spec.tool.version)?.isolation?.(spec.args);
    const call: PolicyCall = {
      tenant: started.tenant,
      principal: started.principal,
      runId: this.#runId,
      runnable: started.runnable,
      tool: spec.tool.name,
      version: spec.tool.version,
      args: spec.args,
      ...(isolation && { isolation }),
      isTainted: trust.tainted !== null,
      origins,
    };
    return Promise.all(policies.map((policy) => policyVerdict(this.#deps.clock, policy, call)));
  }

  /** What people said to this run or, of a child whose parent had read untrusted data, to its tree. */
  async #said(state: RunState) {
    const { started, contextRefs, trust } = state;
    if (this.#prompt !== null && this.#prompt.of === trust.said) return this.#prompt;
    const own = started.inputRef.label?.source === "trusted" ? [started.inputRef] : [];
    const tree = started.task?.promptRef === undefined ? [] : [started.task.promptRef];
    const texts = [...(await this.#texts([...tree, ...own, ...trust.said])), ...(await this.#askedBefore(contextRefs))];
    this.#prompt = { of: trust.said, texts, named: new NamedText(texts) };
    return this.#prompt;
  }

  async #texts(refs: readonly Ref[]): Promise<readonly string[]> {
    const values = await Promise.all(refs.map((ref) => this.#values.read(ref)));
    return values.flatMap((value) => leavesOf(value)).map((leaf) => String(leaf.value));
  }

  /** Questions of the thread's earlier runs: what people wrote there. */
  async #askedBefore(refs: readonly Ref[]): Promise<readonly string[]> {
    const lists = await Promise.all(refs.map((ref) => this.#values.read(ref)));
    return (lists as unknown as readonly (readonly Message[])[])
      .flat()
      .filter(({ role }) => role === "user")
      .map((message) => textOf(message));
  }
}

/** What an operator's rule says of a call; one that fails refuses it. */
export async function policyVerdict(clock: Clock, policy: Policy, call: PolicyCall): Promise<Verdict> {
  const never = new AbortController().signal;
  const said = await withTimeLimit(clock, POLICY_MS, never, () => policy(call));
  if (said.type === "value" && isVerdict(said.value)) return said.value;
  const why = said.type === "threw" ? "threw" : said.type === "value" ? "gave no verdict" : "took too long";
  return { decision: "refuse", rules: ["policy.failed"], reason: `a policy ${why}, so the call is refused` };
}

function isVerdict(value: unknown): value is Verdict {
  const { decision, rules } = (value ?? {}) as Partial<Verdict>;
  return (decision === "allow" || decision === "ask" || decision === "refuse") && Array.isArray(rules);
}

function provenanceOf(origins: readonly ArgumentOrigin[], { trust }: RunState): JsonObject {
  const shown = origins.slice(0, ORIGINS_MAX).map((one) => ({
    ...one,
    value: typeof one.value === "string" ? one.value.slice(0, VALUE_CHARS).toWellFormed() : one.value,
  }));
  return { tainted: trust.tainted, origins: shown } as unknown as JsonObject;
}
