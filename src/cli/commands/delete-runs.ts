import { PawlError } from "../../core/errors.ts";
import { atDesk, toSay } from "../at-desk.ts";
import { countText } from "../figures.ts";
import type { Place } from "../place.ts";
import { say } from "../terminal.ts";

export interface DeleteOptions extends Place {
  readonly thread?: string;
  readonly yes?: boolean;
}

/** `pawl runs delete RUN_ID… --yes`: each run with its children; the first that cannot be deleted ends the command. */
export function deleteRuns(runIds: readonly string[], options: DeleteOptions): Promise<number> {
  const { thread } = options;
  if ((runIds.length === 0) === (thread === undefined))
    throw new PawlError("OPTION_INVALID", "name the runs to delete, or one conversation with --thread ID.");
  if (options.yes !== true) {
    const what = thread === undefined ? countText(runIds.length, "run") : `thread "${thread.slice(0, 60)}"`;
    throw new PawlError(
      "OPTION_INVALID",
      `this deletes ${what} for good, with journals, values and spans. Say --yes to do it.`,
    );
  }
  return atDesk(
    options,
    async (desk) => {
      const told = (id: string, { runs }: { readonly runs: number }): void => {
        const text = `${id} is gone${runs > 1 ? `, ${countText(runs, "run")} in all` : ""}.`;
        say(options.json === true ? JSON.stringify({ deleted: id, runs }) : text);
      };
      if (thread !== undefined) told(thread, await desk.deleteThread(thread));
      for (const id of runIds) told(id, await desk.deleteRun(id));
    },
    toSay,
  );
}
