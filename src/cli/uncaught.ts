import { errorText } from "../core/json.ts";
import { PawlError } from "../core/errors.ts";
import { blamed } from "../engine/blame.ts";
import type { Pawl } from "../engine/runtime.ts";
import { complain } from "./complain.ts";
import { exitCodes } from "./exit-codes.ts";

let isLeaving = false;

/** True once this process ends because of an exception that nobody caught: what fails after that is no news. */
export function isEndingUncaught(): boolean {
  return isLeaving;
}

/** An exception that nothing catches blocks the run whose code threw it; the worker gives its other runs back and exits. */
export function blameUncaught(app: Pawl): void {
  const onThrown = (thrown: unknown): void => {
    if (isLeaving) return;
    isLeaving = true;
    const owner = blamed();
    owner?.fail(new PawlError("UNCAUGHT", errorText(thrown), { cause: thrown }));
    complain(owner === undefined ? thrown : blamedError(owner.ref.runId, thrown));
    void app.close().then(leave, leave);
  };
  const leave = (): void => process.exit(exitCodes.failed);
  process.on("uncaughtException", onThrown);
  process.on("unhandledRejection", onThrown);
}

function blamedError(runId: string, thrown: unknown): PawlError {
  return new PawlError(
    "UNCAUGHT",
    `code of run "${runId}" threw where nothing could catch it: ${errorText(thrown)}. The run is blocked. Correct the code, then "pawl unblock ${runId} retry".`,
    { cause: thrown },
  );
}
