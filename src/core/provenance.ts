import { folded, type NamedText } from "./named-text.ts";
import type { JsonValue } from "./json.ts";
import type { Label } from "./label.ts";
import type { ToolDefinition } from "./tool-contract.ts";

/**
 * Where a value of a call came from. `fixed`: it can steer nothing (a boolean, one of a schema's own words). `untrusted`
 * says which results held its words; `model`: they stand nowhere.
 */
export type Origin =
  | { readonly source: "prompt" | "developer" | "fixed" | "model" }
  | { readonly source: "trusted"; readonly callId: string; readonly tool: string; readonly path: string }
  | {
      readonly source: "untrusted";
      /** The first result that held it, and the words beside it there. */
      readonly callId: string;
      readonly tool: string;
      readonly around: string;
      /** Later results that held it too, in order. */
      readonly also?: readonly { readonly callId: string; readonly tool: string }[];
    };

export interface Leaf {
  /** Dotted; `[]` for every item of a list: `[].id`. "" for a bare value. */
  readonly path: string;
  readonly value: string | number | boolean;
}

/** The texts, numbers and booleans of a value; null says nothing. Nothing deeper than a journal may hold. */
export function leavesOf(value: JsonValue, path = ""): readonly Leaf[] {
  const found: Leaf[] = [];
  const stack: { readonly value: JsonValue; readonly path: string }[] = [{ value, path }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value: at } = next;
    if (at === null) continue;
    if (typeof at !== "object") found.push({ path: next.path, value: at });
    else if (Array.isArray(at))
      for (const item of (at as readonly JsonValue[]).toReversed()) stack.push({ value: item, path: `${next.path}[]` });
    else
      for (const [key, member] of Object.entries(at).toReversed())
        stack.push({ value: member, path: next.path === "" ? key : `${next.path}.${key}` });
  }
  return found;
}

/** Does a tool vouch for the field of its result at this path? */
export function isTrustedPath(trust: ToolDefinition["trust"], path: string): boolean {
  if (typeof trust === "string") return trust === "trusted";
  return trust.trustedPaths.some((known) => known === "*" || known === path || path.startsWith(`${known}.`));
}

/** True where a result holds a text or number that its tool does not vouch for: whoever reads it has read untrusted data. */
export function isTainting(trust: ToolDefinition["trust"], result: JsonValue): boolean {
  if (trust === "trusted") return false;
  return leavesOf(result).some(
    ({ path, value }) => typeof value !== "boolean" && value !== "" && !isTrustedPath(trust, path),
  );
}

/** The label of what a tool's call gave, or of the error it ended with: who vouches for it, and who may see it. */
export function resultLabel(
  { name, trust, flow }: Pick<ToolDefinition, "name" | "trust" | "flow">,
  outcome: { readonly ok: boolean; readonly value: JsonValue },
): Label {
  const isTrusted = outcome.ok ? !isTainting(trust, outcome.value) : trust === "trusted";
  const audience = flow?.audience === undefined ? {} : { audience: flow.audience };
  return { source: isTrusted ? "trusted" : "untrusted", origin: `tool:${name}`, ...audience };
}

export interface TrustedFact {
  readonly callId: string;
  readonly tool: string;
  readonly path: string;
  /**
   * Was it picked out, or is it one of many? Picked out: the call was made with words of the prompt alone, or its result
   * is one record.
   */
  isPicked: boolean;
}

/** What trusted fields of results said, by value. An attacker may call reads, so a fact says whether the prompt picked it. */
export class TrustedFacts {
  readonly #facts = new Map<string, TrustedFact>();
  readonly #named: Pick<NamedText, "names">;

  constructor(named: Pick<NamedText, "names">) {
    this.#named = named;
  }

  add(call: {
    readonly callId: string;
    readonly tool: Pick<ToolDefinition, "name" | "trust">;
    readonly args: JsonValue;
    readonly result: JsonValue;
  }): void {
    const { trust, name } = call.tool;
    if (trust === "untrusted") return;
    const asked = leavesOf(call.args).flatMap(({ value }) => (typeof value === "boolean" ? [] : [value]));
    const isAsked = asked.length > 0 && asked.every((value) => this.#named.names(value));
    const isPicked = isAsked || !Array.isArray(call.result) || call.result.length === 1;
    for (const { path, value } of leavesOf(call.result))
      if (isTrustedPath(trust, path)) this.#keep(value, { callId: call.callId, tool: name, path, isPicked });
  }

  find(value: string | number): TrustedFact | null {
    return this.#facts.get(keyOf(value)) ?? null;
  }

  #keep(value: Leaf["value"], fact: TrustedFact): void {
    const key = keyOf(value);
    const known = this.#facts.get(key);
    if (known === undefined) this.#facts.set(key, fact);
    else if (fact.isPicked) known.isPicked = true;
  }
}

function keyOf(value: Leaf["value"]): string {
  return folded(String(value));
}
