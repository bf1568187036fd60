import type { UsageSavings } from "../../core/savings.ts";
import { atDesk, toRead } from "../at-desk.ts";
import { costText, countText, durationText } from "../figures.ts";
import { paint, say, sayTable } from "../terminal.ts";
import { limitOf, type TracesOptions } from "./traces.ts";

/** `pawl usage --savings`: what the newest runs did not spend. */
export function usageSavings(options: TracesOptions): Promise<number> {
  const limit = limitOf(options.limit ?? "100");
  return atDesk(
    options,
    async (desk) => {
      const sums = await desk.getSavings({ limit });
      if (options.json === true) say(JSON.stringify(sums));
      else show(sums);
    },
    toRead,
  );
}

function show(sums: UsageSavings): void {
  const { routing, cache, compaction, runs, notRead, isAll } = sums;
  const unpriced = routing.unpriced === 0 ? "" : `, ${routing.unpriced} without a price`;
  const rows = [
    ["kept results", countText(cache.hits, "hit"), `${costText(cache.savedNanoUsd)}, ${durationText(cache.savedMs)}`],
    [
      "small models",
      `${countText(routing.asked, "question")}, ${routing.escalated} escalated`,
      `${costText(routing.savedNanoUsd)}${unpriced}`,
    ],
    [
      "compactions",
      `${compaction.compactions}, summaries ${costText(compaction.paidNanoUsd)}`,
      `about ${countText(compaction.savedTokens, "input token")}`,
    ],
  ];
  sayTable(["SAVED BY", "TIMES", "SAVED"], rows);
  const left = notRead === 0 ? "" : `; ${notRead} are too long to be read for this`;
  say(paint("dim", `of ${isAll ? "all" : "the newest"} ${countText(runs, "run")}${left}`));
}
