import { PawlError } from "../core/errors.ts";
import type { Pawl } from "../engine/runtime.ts";
import { hasSpendLimits, type GatewayLimits } from "./gateway-limits.ts";
import { spendHooks, spendOfDay } from "./spend-quota.ts";

/**
 * Makes a runtime count its calls against the day's tokens and cost, where there are such limits and it does not yet.
 * @returns false: runs execute in other processes, and whether those count cannot be known here
 * @throws CONFIG_INVALID  the runtime is open and does not count: the limits would not hold
 */
export function countSpending(app: Pawl, limits: GatewayLimits): boolean {
  if (!hasSpendLimits(limits) || app.deps.hooks.counts?.includes(spendOfDay) === true) return true;
  if (!app.hasWorker) return false;
  if (app.isOpened) {
    throw new PawlError(
      "CONFIG_INVALID",
      "the gateway has limits of tokens or cost a day, and its runtime was opened without counting them. " +
        "Make the gateway before the runtime is opened, or give that its hooks: pawl({ …, hooks: spendHooks(limits) }).",
    );
  }
  app.addHooks(spendHooks(limits));
  return true;
}
