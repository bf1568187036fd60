import { usdOf } from "../../core/usage.ts";
import type { ModelCheck } from "../../models.ts";
import { exitCodes } from "../exit-codes.ts";
import { costText, countText, durationText } from "../figures.ts";
import { LiveLine } from "../live-line.ts";
import { modelDesk } from "../model-desk.ts";
import type { Place } from "../place.ts";
import { paint, plain, say } from "../terminal.ts";

/** `pawl models check [ROUTE]`: one streamed tool call to each model that is in use here. */
export async function modelsCheck(route: string | undefined, place: Place): Promise<number> {
  const desk = await modelDesk(place);
  const routes = route === undefined ? await desk.inUse() : [route];
  let exitCode: number = exitCodes.ok;
  for (const one of routes) {
    const line = new LiveLine();
    if (place.json !== true) line.wait(`asking ${one}`);
    const check = await desk.check(one).finally(() => line.clear());
    if (place.json === true) say(JSON.stringify(check));
    else show(check);
    if (check.error !== null) exitCode = exitCodes.failed;
  }
  return exitCode;
}

function show({
  route,
  endpoint,
  model,
  notice,
  ttftMs,
  totalMs,
  usage,
  costNanoUsd,
  priceSource,
  problems,
  error,
}: ModelCheck): void {
  say(paint("bold", endpoint === null || endpoint === route ? route : `${route} → ${endpoint}`));
  if (notice !== null) say(`  ${notice}`);
  if (error === null) {
    say(`  ${paint("green", "✓")} answered${model === null ? "" : ` as ${plain(model)}`}`);
    say(
      `  latency  ${ttftMs === null ? "?" : durationText(ttftMs)} to the first part, ${totalMs === null ? "?" : durationText(totalMs)} in all`,
    );
    if (usage !== null) say(`  usage    ${countText(usage.inputTokens, "token")} in, ${usage.outputTokens} out`);
    say(
      `  cost     ${costNanoUsd === null ? "unpriced" : `${costText(costNanoUsd)}${usdOf(costNanoUsd) === 0 ? "" : ` (price: ${priceSource})`}`}`,
    );
  }
  for (const problem of problems) say(`  ${paint(error === null ? "yellow" : "red", "✗")} ${plain(problem)}`);
}
