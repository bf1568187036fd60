import type { Effect } from "./effect.ts";
import type { JsonObject } from "./json.ts";
import type { ToolDefinition, ToolRate } from "./tool-contract.ts";
import type { ToolGrant } from "./tool-grants.ts";
import type { ToolChange, ToolReview } from "./tool-review.ts";
import type { NanoUsd } from "./usage.ts";

/** `new`: not seen before; `changed`: not as it was first seen, and nobody has to look; `quarantined`: not called. */
export type ReviewState = "accepted" | "new" | "changed" | "quarantined";

/** How a tool's calls of one tenant went in one process, since it started. */
export interface ToolHealth {
  readonly calls: number;
  readonly errors: number;
  /** Of the last limits.toolTimesKept calls that returned; null = none did. */
  readonly p50Ms: number | null;
  /** ms since 1970 of the last error, and its code; null = none. */
  readonly lastError: { readonly at: number; readonly code: string } | null;
  /** It failed too often and is not called. */
  readonly isResting: boolean;
}

/** One version of a tool, and how it stands in a tenant. */
export interface ToolLine {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly effect: Effect;
  readonly inputSchema: JsonObject;
  readonly trust: ToolDefinition["trust"];
  readonly capabilities: readonly string[];
  /** `mcp:<server>`; null = this program's own. */
  readonly origin: string | null;
  readonly owner: string | null;
  readonly deprecated: string | null;
  readonly rate: ToolRate | null;
  /** The most that a call costs, and whether each costs it; null = nothing is declared. */
  readonly cost: { readonly nanoUsdMax: NanoUsd; readonly isFixed: boolean } | null;
  readonly timeLimitMs: number;
  /** `always`, `never`, or `by-rule`: its author's rule looks at the arguments. */
  readonly approval: "always" | "never" | "by-rule";
  /** It can be asked later what became of a call. */
  readonly canReconcile: boolean;
  /** Agents and functions that have it. */
  readonly usedBy: readonly string[];
  readonly hash: string;
  readonly state: ReviewState;
  /** Why it is quarantined. */
  readonly reason: string | null;
  /** What was accepted, by whom (null: when it was first seen) and when. */
  readonly review: Pick<ToolReview, "hash" | "by" | "at"> | null;
  /** Capabilities that nobody was granted. */
  readonly missing: readonly string[];
  readonly health: ToolHealth;
}

export type GrantState = "active" | "expired" | "revoked";
export interface GrantLine extends ToolGrant {
  readonly state: GrantState;
  /** It stands in pawl.config.ts, for every tenant. */
  readonly declared: boolean;
}

/** What a person looks at before a definition is accepted. */
export interface ToolDiff {
  readonly name: string;
  readonly version: string;
  /** Of the definition as it is now: what `accept` is told, so that nothing else is accepted. */
  readonly hash: string;
  readonly acceptedHash: string | null;
  readonly changes: readonly ToolChange[];
}
