import { researchName } from "../research-agent.ts";
import { run, type RunOptions } from "./run.ts";

/** Something that the documentation of this project answers. */
const QUESTION = "What happens to a tool call when the worker dies before its outcome is recorded?";

/** `pawl demo ["question"]`: the built-in agent on a folder. */
export function demo(question: string | undefined, options: RunOptions): Promise<number> {
  return run(researchName, question ?? QUESTION, options);
}
