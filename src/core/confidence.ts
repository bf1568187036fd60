import type { Runnable } from "./runnable.ts";
import type { CallScene, ToolDefinition } from "./tool-contract.ts";

/** How sure something is that a call is right, 0 to 1, and why. */
export interface Score {
  readonly score: number;
  readonly reason?: string;
}

/** What measures: the tool's own code, how many of several answers of a model agree, or another runnable. */
export type ConfidenceSource =
  | { readonly by: "tool"; measure(input: unknown, scene: CallScene): Promise<unknown> }
  | { readonly by: "samples"; readonly samples: number; readonly question: string; readonly route: string }
  /** Is given `{ tool, version, input, goal }`, and returns a `Score`. */
  | { readonly by: "reviewer"; readonly reviewer: Runnable };

/** A tool whose calls are measured where nothing else asks: below the threshold a person is asked. */
export interface GatedTool extends ToolDefinition {
  readonly confidence: ConfidenceSource & { readonly threshold: number };
}

export function isGated(tool: ToolDefinition): tool is GatedTool {
  return "confidence" in tool;
}
