import { PawlError } from "../../core/errors.ts";
import type { RunStatus } from "../../core/run-outcome.ts";
import type { RunHead } from "../../core/run-head.ts";
import type { Pawl } from "../../engine/runtime.ts";
import { tokensOf } from "../../core/usage.ts";
import { agoText, costText } from "../figures.ts";
import { pasteable } from "../pasteable.ts";
import { openToRead, type Place } from "../place.ts";
import { note, paint, say, table } from "../terminal.ts";

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

/** `pawl runs`: newest first. */
export async function runs(options: RunsOptions): Promise<number> {
  const limit = limitOf(options.limit);
  const filter = {
    ...(options.status && { statuses: options.status.map(statusOf) }),
    ...(options.agent !== undefined && { runnable: options.agent }),
  };
  const { app, tenant } = await openToRead(options);
  try {
    const { heads, cursor } = await page(app, { filter, tenant, limit, cursor: options.cursor });
    if (options.json === true) for (const head of heads) say(JSON.stringify(head));
    else show(heads, options);
    if (cursor !== null) note(`more: ${pasteable(options, "runs", "--cursor", cursor)}`);
    return 0;
  } finally {
    await app.close();
  }
}

interface Listing {
  readonly filter: Parameters<Pawl["runs"]>[0];
  readonly tenant: string;
  readonly limit: number;
  readonly cursor: string | undefined;
}

/** A page of a store may be short and still not the last one. */
async function page(
  app: Pawl,
  listing: Listing,
): Promise<{ readonly heads: readonly RunHead[]; readonly cursor: string | null }> {
  const heads: RunHead[] = [];
  let cursor: string | null = listing.cursor ?? null;
  do {
    const { tenant, limit } = listing;
    const found = await app.runs(listing.filter, {
      tenant,
      limit: limit - heads.length,
      ...(cursor !== null && { cursor }),
    });
    heads.push(...found.items);
    cursor = found.cursor;
  } while (cursor !== null && heads.length < listing.limit);
  return { heads, cursor };
}

function show(heads: readonly RunHead[], options: RunsOptions): void {
  const [first] = heads;
  if (first === undefined) {
    say(
      `no runs${options.status === undefined && options.agent === undefined ? "" : " like that"}. Start one: ${pasteable(options, "demo")}`,
    );
    return;
  }
  const now = Date.now();
  const rows = heads.map((head) => {
    const { totals } = head;
    return [
      head.runId,
      head.status,
      agoText(head.updatedAt, now),
      String(tokensOf(totals.usage) + totals.childTokens),
      costText(totals.costNanoUsd + totals.childCostNanoUsd),
      head.title,
    ];
  });
  const [header = "", ...lines] = table([["RUN", "STATUS", "UPDATED", "TOKENS", "COST", "INPUT"], ...rows]);
  say(paint("bold", header));
  for (const line of lines) say(line);
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
