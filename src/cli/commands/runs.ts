import { PawlError } from "../../core/errors.ts";
import type { RunStatus } from "../../core/run-outcome.ts";
import type { RunSummary } from "../../core/run-summary.ts";
import { tokensOf } from "../../core/usage.ts";
import { atDesk, toRead } from "../at-desk.ts";
import { agoText, costText } from "../figures.ts";
import { pasteable } from "../pasteable.ts";
import type { Place } from "../place.ts";
import { note, paint, plain, say, sayTable } from "../terminal.ts";

export interface RunsOptions extends Place {
  readonly status?: readonly string[];
  readonly agent?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

export const runStatuses: readonly RunStatus[] = [
  "queued",
  "running",
  "sleeping",
  "awaiting_approval",
  "awaiting_signal",
  "awaiting_child",
  "awaiting_budget",
  "paused",
  "blocked",
  "completed",
  "stopped",
  "failed",
  "cancelled",
];
const LIMIT_MAX = 500;
/** Of one question to a gateway. */
const PAGE_MAX = 100;

/** `pawl runs`: newest first. */
export function runs(options: RunsOptions): Promise<number> {
  const limit = limitOf(options.limit);
  const filter = {
    ...(options.status && { status: options.status.map(statusOf) }),
    ...(options.agent !== undefined && { agent: options.agent }),
  };
  return atDesk(
    options,
    async (desk) => {
      const found: RunSummary[] = [];
      let cursor = options.cursor ?? null;
      // a page may be short and still not the last one
      do {
        const from = cursor === null ? {} : { cursor };
        const page = await desk.listRuns({ ...filter, ...from, limit: Math.min(PAGE_MAX, limit - found.length) });
        found.push(...page.items);
        cursor = page.cursor;
      } while (cursor !== null && found.length < limit);
      if (options.json === true) for (const one of found) say(JSON.stringify(one));
      else show(found, options);
      if (cursor !== null) note(`more: ${pasteable(options, "runs", "--cursor", cursor)}`);
    },
    toRead,
  );
}

function show(found: readonly RunSummary[], options: RunsOptions): void {
  const [first] = found;
  if (first === undefined) {
    const like = options.status === undefined && options.agent === undefined ? "" : " like that";
    const start =
      options.server === undefined ? pasteable(options, "demo") : pasteable(options, "run", "AGENT", "GOAL");
    return say(`no runs${like}. Start one: ${start}`);
  }
  const now = Date.now();
  const rows = found.map(({ runId, agent, status, updatedAt, totals, title }) => [
    runId,
    status,
    agoText(updatedAt, now),
    (tokensOf(totals.usage) + totals.childTokens).toLocaleString("en-US"),
    costText(totals.costNanoUsd + totals.childCostNanoUsd),
    plain(agent),
    title,
  ]);
  sayTable(["RUN", "STATUS", "UPDATED", "TOKENS", "COST", "AGENT", "INPUT"], rows);
  say();
  say(paint("dim", pasteable(options, "show", first.runId)));
}

function limitOf(given: string | undefined): number {
  const limit = given === undefined ? 20 : Number(given);
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new PawlError("OPTION_INVALID", `--limit is "${given}". Give a whole number from 1 to ${LIMIT_MAX}.`);
}

function statusOf(given: string): RunStatus {
  const found = runStatuses.find((status) => status === given);
  if (found !== undefined) return found;
  throw new PawlError("OPTION_INVALID", `--status is "${given}". It is one of ${runStatuses.join(", ")}.`);
}
