import { researchName } from "../research-agent.ts";
import { run, type RunOptions } from "./run.ts";

/** Something that the documentation of this project answers. */
const QUESTION = "After a crash, what happens to a call whose outcome is unknown?";

/** `pawl demo ["question"]`: the built-in agent on a folder. */
export function demo(question: string | undefined, options: RunOptions): Promise<number> {
  return run(researchName, question ?? QUESTION, options);
}
