import type { EndpointStatus, SourceStatus } from "../../core/model-contract.ts";
import type { ModelCheck } from "../../models.ts";
import { exitCodes } from "../exit-codes.ts";
import { durationText } from "../figures.ts";
import { LiveLine } from "../live-line.ts";
import { modelDesk, type ModelDesk } from "../model-desk.ts";
import type { Place } from "../place.ts";
import { paint, plain, say, table } from "../terminal.ts";

export interface ModelsListOptions extends Place {
  /** Ask each endpoint for one streamed tool call: its health as it is, not as this process has seen it. */
  readonly ask?: boolean;
}

/** `pawl models`: the endpoints and routes that are configured here, or at a gateway, with their health. */
export async function modelsList(options: ModelsListOptions): Promise<number> {
  const desk = await modelDesk(options);
  const status = await desk.status();
  const checks =
    options.ask === true ? await checksOf(desk, status, options.json === true) : new Map<string, ModelCheck>();
  if (options.json === true) say(JSON.stringify({ ...status, checks: Object.fromEntries(checks) }));
  else show(status, checks);
  const isBad =
    status.endpoints.some(({ problem }) => problem !== null) || [...checks.values()].some(({ error }) => error);
  return isBad ? exitCodes.failed : exitCodes.ok;
}

type Checks = ReadonlyMap<string, ModelCheck>;

async function checksOf(desk: ModelDesk, { endpoints }: SourceStatus, isJson: boolean): Promise<Checks> {
  const line = new LiveLine();
  if (!isJson) line.wait(`asking ${endpoints.length} endpoints`);
  const usable = endpoints.filter(({ problem }) => problem === null);
  const checks = await Promise.all(usable.map(async ({ name }) => [name, await desk.check(name)] as const));
  line.clear();
  return new Map(checks);
}

function show({ endpoints, routes }: SourceStatus, checks: Checks): void {
  say(paint("bold", "endpoints"));
  const rows = endpoints.map((one) => [
    `  ${plain(one.name)}`,
    plain(`${one.provider}/${one.model}`),
    `weight ${one.weight}`,
    limitsText(one),
    one.price === null ? "unpriced" : `$${one.price.inputUsd}/$${one.price.outputUsd} per 1M`,
    healthText(one, checks.get(one.name)),
  ]);
  for (const row of table(rows)) say(row);
  if (routes.length === 0) return;
  say();
  say(paint("bold", "routes"));
  for (const { name, endpoints: names, fallbacks, isHedged } of routes) {
    const then = fallbacks.length === 0 ? "" : `, then ${fallbacks.join(", then ")}`;
    say(`  ${plain(name)}  →  ${plain(names.join(" | "))}${plain(then)}${isHedged ? "  (hedged)" : ""}`);
  }
}

function limitsText({ requestsPerMinute, tokensPerMinute }: EndpointStatus): string {
  const parts = [
    ...(requestsPerMinute === null ? [] : [`${requestsPerMinute} requests/min`]),
    ...(tokensPerMinute === null ? [] : [`${tokensPerMinute.toLocaleString("en-US")} tokens/min`]),
  ];
  return parts.length === 0 ? "no limit set" : parts.join(", ");
}

function healthText({ health, problem, latencyMs }: EndpointStatus, check: ModelCheck | undefined): string {
  if (problem !== null) return plain(problem);
  if (check?.error !== undefined && check.error !== null) return plain(`${check.error.code}: ${check.error.message}`);
  if (check !== undefined) return `answers, first part after ${durationText(check.ttftMs ?? 0)}`;
  if (health !== "closed") return health;
  return latencyMs === null ? "not asked yet" : `well, first part after ${durationText(latencyMs)}`;
}
