import type { ErrorCode } from "../core/error-table.ts";
import { PawlError } from "../core/errors.ts";
import type { RunStatus } from "../core/run-outcome.ts";

/** What the process ends with; docs/cli.md explains each. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, parked: 3, interrupted: 130, terminated: 143 } as const;

/** Mistakes of a command line or a configuration: nothing was started. */
const usage: readonly ErrorCode[] = [
  "OPTION_INVALID",
  "CONFIG_INVALID",
  "ID_INVALID",
  "NAME_INVALID",
  "CURSOR_INVALID",
  "INPUT_INVALID",
  "SCHEMA_INVALID",
  "AGENT_UNKNOWN",
  "AGENT_DUPLICATE",
  "TOOL_UNKNOWN",
  "TOOL_DUPLICATE",
  "FOLDER_UNUSABLE",
  "MODEL_UNKNOWN",
  "MODEL_KEY_MISSING",
];

export function exitCodeOfError(error: unknown): number {
  return PawlError.is(error) && usage.includes(error.code) ? exitCodes.usage : exitCodes.failed;
}

/** A run that waits for a person or for money is parked; what goes on by itself is no failure. */
export function exitCodeOfStatus(status: RunStatus): number {
  switch (status) {
    case "stopped":
    case "failed":
    case "cancelled":
    case "blocked":
      return exitCodes.failed;
    case "awaiting_approval":
    case "awaiting_budget":
    case "awaiting_signal":
    case "paused":
      return exitCodes.parked;
    default:
      return exitCodes.ok;
  }
}
