import { pasteable } from "./pasteable.ts";
import { paint, say } from "./terminal.ts";

/** Five tasks, not thirty commands: what `pawl` alone shows. */
export function tasks(): number {
  const rows = [
    [["up"], "the console: start runs, watch them, approve, see what they cost"],
    [["demo", '"question"'], "ask a folder of documents (--docs DIR)"],
    [["demo", "crash"], "kill a worker in the middle, see what repeats"],
    [["run", "AGENT", '"goal"'], "run an agent of your pawl.config.ts; then: runs, show, approve"],
    [["init", "DIR"], "start a project of your own"],
  ] as const;
  const program = pasteable({});
  say("Pawl runs AI agents as production workloads: every run is a journal.");
  say();
  for (const [words, what] of rows)
    say(`  ${`${program} ${words.join(" ")}`.padEnd(program.length + 20)}${paint("dim", what)}`);
  say();
  say(`  ${`${program} help`.padEnd(program.length + 20)}${paint("dim", "all commands")}`);
  return 0;
}
