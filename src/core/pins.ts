import type { Ref } from "./label.ts";

/** What a run goes on with, whatever is registered later: an upper bound, from which rules of today take away. */
export interface Pins {
  /** The recorded definition of the agent, by which the run continues. */
  readonly agent?: Ref;
  readonly instructions?: string;
  /** tool name → version */
  readonly tools?: { readonly [tool: string]: string };
  /** tool name → hash of its definition, of those that the run may use. Absent = nobody looked: each of `tools`. */
  readonly hashes?: { readonly [tool: string]: string };
  /** tool name → what it was granted of the capabilities it asks for. */
  readonly granted?: { readonly [tool: string]: readonly string[] };
  readonly policy?: string;
  readonly route?: string;
}
