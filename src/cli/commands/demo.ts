import { researchName } from "../research-agent.ts";
import { teamName } from "../research-team.ts";
import { run, type RunOptions } from "./run.ts";

/** Something that the documentation of this project answers. */
const QUESTION = "After a crash, what happens to a call whose outcome is unknown?";

/** `pawl demo ["question"]`: the built-in agent, or the built-in team, on a folder. */
export function demo(question: string | undefined, options: RunOptions & { readonly team?: boolean }): Promise<number> {
  return run(options.team === true ? teamName : researchName, question ?? QUESTION, options);
}
