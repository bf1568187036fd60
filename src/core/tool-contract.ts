import type { Clock, Entropy } from "./clock.ts";
import type { Effect } from "./effect.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { Label } from "./label.ts";
import type { Approvers, Verdict } from "./policy.ts";
import type { Isolation } from "./sandbox-contract.ts";
import type { NanoUsd } from "./usage.ts";

/** What a tool's code is given beside its input. */
export interface ToolContext {
  readonly tenant: string;
  readonly principal: string;
  readonly runId: string;
  readonly callId: string;
  /** 1 for the first; attempts of one call share the key. */
  readonly attempt: number;
  /** The same for every attempt: hand it to the receiver, which must do the thing once per key. */
  readonly idempotencyKey: string;
  /** Rises with every owner of the run: a receiver that keeps the highest can refuse a paused former owner. */
  readonly fence: number;
  /** Aborted on time limit, cancel, and loss of ownership. */
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  /** Had the run read untrusted data when it asked for this call? Not given = not known: count it as true. */
  readonly isTainted?: boolean;
  /** W3C Trace Context of this call's span: hand it on as the header `traceparent`. */
  readonly traceparent: string;
  /**
   * A secret's value, from pawl({ secrets }): no model is shown it, and from now on it is taken out of what is recorded.
   * @throws TOOL_REFUSED    the tool does not declare the capability `secret:<name>`, or the run was not granted it
   * @throws SECRET_UNKNOWN  there is none of this name
   */
  secret(name: string): Promise<string>;
  /**
   * Keeps bytes with the run, beside its journal, for as long as the run is kept; the same bytes once.
   * @returns their name, for a result and for readArtifact
   */
  putArtifact(bytes: Uint8Array): Promise<string>;
  /** null = this run has none of that name. */
  readArtifact(name: string): Promise<Uint8Array | null>;
  /**
   * May this call do that: `net:api.example.org`, `fs:/data/in.csv`. True where the tool declares it and the run was granted
   * it. Who declares a wildcard (`net:*`) asks before each use, since a part of it may be granted.
   */
  may(capability: string): boolean;
}

/** Where a call is made: what a rule about it may look at beside its input. The same on replay. */
export interface CallScene {
  readonly tenant: string;
  readonly principal: string;
  readonly runId: string;
  readonly rootRunId: string;
  readonly threadId: string | null;
  /** Turns ended before this one. */
  readonly turn: number;
  readonly tags: readonly string[];
  /** Had the run read untrusted data when this turn began? */
  readonly isTainted: boolean;
}

/** What `reconcile` found out from the remote system. */
export type Reconciled =
  | { readonly happened: true; readonly result: unknown }
  | { readonly happened: false }
  | "unknown";

export interface SchemaIssue {
  /** Dotted path into the arguments, "" for the whole. */
  readonly path: string;
  /** What was expected there, and what was found. */
  readonly message: string;
}
export type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: readonly SchemaIssue[] };

/** What an argument of a call steers. `content` and `time` are what is done; the others are where, to whom and how much. */
export const sinks = [
  "destination",
  "target",
  "credential",
  "permission",
  "amount",
  "identity",
  "content",
  "time",
] as const;
export type Sink = (typeof sinks)[number];

/**
 * What a call may carry where. Nothing declared is the strictest reading: every argument steers, nothing can be taken
 * back. Whether a call acts at all is its `effect`: `pure` reads.
 */
export interface ToolFlow {
  /** Argument (dotted path, `*` for every item) to what it steers; an argument that is not named steers nothing. Absent: each steers. */
  readonly sinks?: Readonly<Record<string, Sink>>;
  /** A read whose arguments leave the boundary (a URL, a search): what they steer counts as in a write. Default false. */
  readonly egress?: boolean;
  /** Can what a call did be taken back? Money, credentials, access and deletion cannot. Default: only a `pure` call's. */
  readonly reversible?: boolean;
  /** Who may see the result; `confidential` flows only to what the prompt named. Default `tenant`. */
  readonly audience?: Label["audience"];
  /** Ask a person whatever the arguments once the run has read untrusted data. Default: only under the profile `strict`. */
  readonly askWhenTainted?: boolean;
}

/** How often a tool may be called by one tenant. */
export interface ToolRate {
  readonly calls: number;
  readonly perMs: number;
}

/** What a call is charged once, when its result is there: whoever fails, or answers from the cache, costs nothing. */
export interface ToolCost {
  /** Taken from every budget before the call starts; charged where the result does not say. */
  readonly nanoUsdMax: NanoUsd;
  /** By the result as it is recorded. Absent: always `nanoUsdMax`. */
  readonly nanoUsdOf?: (result: JsonValue) => NanoUsd;
}

/** A result may be returned again to an equal call, for so long: of the same tenant, or only of the same principal. */
export interface ToolCache {
  readonly ttlMs: number;
  readonly per: "tenant" | "principal";
}

/**
 * A registered tool, its types erased: what the engine executes. `tool()` makes one from typed parts. The input of
 * `approval`, `execute` and `reconcile` is the value that `parseInput` made of the recorded arguments.
 */
export interface ToolDefinition {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly effect: Effect;
  readonly trust: "untrusted" | "trusted" | { readonly trustedPaths: readonly string[] };
  /** What a run must be granted before it may call this: default deny. */
  readonly capabilities: readonly string[];
  /**
   * Who wrote this definition, where it was not written with this program: `mcp:<server>`. A change of it, or another
   * version of it, waits until a person has accepted it.
   */
  readonly origin?: string;
  /** In place of the hash of the definition, where its version is made from its content: also while its text is not known. */
  readonly contentHash?: string;
  /** Absent = undeclared: see `ToolFlow`. */
  readonly flow?: ToolFlow;
  /** What keeps apart the code that a call with these arguments runs, by a probe: for policies. Absent: it runs none. */
  readonly isolation?: (args: JsonValue) => readonly Isolation[];
  /** Who answers for it: a team or an address, for people. */
  readonly owner?: string;
  /** Why it should not be used any more and what to use instead; shown, never enforced. */
  readonly deprecated?: string;
  readonly rate?: ToolRate;
  readonly cost?: ToolCost;
  readonly cache?: ToolCache;
  readonly timeLimitMs: number;
  /** Attempts in all, for `pure` and `idempotent` failures that may pass. */
  readonly attemptsMax: number;
  /** Characters of a result that the model is shown; the rest is kept whole in a blob. */
  readonly shownCharsMax: number;
  /** Calls of this tool that run at once in one run. */
  readonly concurrency: number;
  parseInput(input: JsonValue): Parsed;
  parseOutput(output: JsonValue): Parsed;
  /** What the author's rule can say at all: `by-rule` looks at the arguments. For people; `approval` decides. */
  readonly asksApproval?: "always" | "never" | "by-rule";
  /** Who must approve where a person is asked; absent = anybody, once. */
  readonly approvers?: Approvers;
  /** The author's rule whether a person must approve this call. */
  approval(input: unknown, scene: CallScene): Verdict;
  execute(input: unknown, ctx: ToolContext): Promise<unknown>;
  reconcile?(input: unknown, ctx: ToolContext): Promise<Reconciled>;
}

/** What a source of tools needs of its surroundings. */
export interface SourceEnv {
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** How a source stands, for people. */
export interface SourceState {
  readonly status: "idle" | "ready" | "down" | "closed";
  /** Why it is down, and what it offers that cannot be used. */
  readonly problems: readonly string[];
  /** What it says it is: name, version, protocol. */
  readonly says: string | null;
  readonly restarts: number;
}

/** Tools that another program offers and may change: an MCP server's. */
export interface ToolSource {
  readonly name: string;
  /** What it offers, as it was last heard; another list object when it changed. Empty before `load`. */
  readonly tools: readonly ToolDefinition[];
  readonly state: SourceState;
  /** Asks it what it offers, unless that is known. @throws TOOLS_UNREACHABLE */
  load(env: SourceEnv): Promise<void>;
  /**
   * Code of one of its tools, whether it was asked yet or not. A call of a version that it does not offer any more fails,
   * and nothing was done. null = no such tool can be its.
   */
  tool(name: string, version: string): ToolDefinition | null;
  /** Hears of every list that differs from the one before. @returns stops it */
  onChange(heard: (tools: readonly ToolDefinition[]) => void): () => void;
  /**
   * Has a person let Pawl in, and keeps what they gave. Absent: nobody is asked.
   * @param send  shows them an address; resolves with the one that they came back to
   * @throws OPTION_INVALID, TOOLS_UNREACHABLE
   */
  login?(env: SourceEnv, send: (url: URL) => Promise<URL>): Promise<void>;
  close(): Promise<void>;
}

export function isToolSource(given: ToolDefinition | ToolSource): given is ToolSource {
  return "load" in given;
}
