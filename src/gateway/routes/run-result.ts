import { PawlError } from "../../core/errors.ts";
import type { RunRef } from "../../core/id.ts";
import { isSettled } from "../../engine/run-handle.ts";
import { resultQuery } from "../api/list-queries.ts";
import { runResult, type RunResultOrStatus } from "../api/runs.ts";
import type { Caller } from "../caller.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { ResultWaits } from "../result-waits.ts";
import { headOf, prefix, refOf, runParams } from "../route-parts.ts";

/** How a run stands, waited for at most so long. */
export function runResultRoutes(app: GatewayApp, gateway: Gateway): void {
  const waits = new ResultWaits(gateway.app);
  app.get(
    `${prefix}/runs/:runId/result`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getResult",
        tags: ["runs"],
        summary: "The outcome of a run; with waitMs, as soon as it is there",
        params: runParams,
        querystring: resultQuery,
        response: { 200: runResult },
      },
    },
    async (request) => {
      const ref = refOf(request);
      const now = await statusOf(gateway, ref);
      const { waitMs = 0 } = request.query;
      if (waitMs === 0 || isSettled(now.status)) return now;
      const left = new AbortController();
      const onClose = (): void => left.abort(new PawlError("CANCELLED", "the client has gone."));
      if (request.raw.socket.destroyed) onClose();
      request.raw.socket.once("close", onClose);
      try {
        return await awaitResult(gateway, waits, { ref, waitMs, caller: request.caller, left: left.signal });
      } finally {
        request.raw.socket.removeListener("close", onClose);
      }
    },
  );
}

async function statusOf(gateway: Gateway, ref: RunRef): Promise<RunResultOrStatus> {
  const head = await headOf(gateway, ref);
  if (isSettled(head.status)) return gateway.app.run(ref.runId, ref.tenant).result();
  return { runId: head.runId, status: head.status } as RunResultOrStatus;
}

interface LongPoll {
  readonly ref: RunRef;
  readonly waitMs: number;
  readonly caller: Caller;
  /** Aborted when the client has gone. */
  readonly left: AbortSignal;
}

async function awaitResult(
  gateway: Gateway,
  waits: ResultWaits,
  { ref, waitMs, caller, left }: LongPoll,
): Promise<RunResultOrStatus> {
  const late = new AbortController();
  const stop = (): void => late.abort(new PawlError("CANCELLED", "waited long enough."));
  let isRefused = false;
  const release = gateway.streams.open(caller, () => {
    // the gateway that shuts down ends it too, and answers with what it has
    isRefused = !gateway.closing.aborted;
    stop();
  });
  const cancelTimer = gateway.clock.setTimer(waitMs, stop);
  try {
    const signal = AbortSignal.any([late.signal, left, gateway.closing]);
    const result = await waits.resultOf(ref, signal);
    if (isRefused) throw new PawlError("AUTH_INVALID", "the credential has ended meanwhile. Use another one.");
    return result ?? (await statusOf(gateway, ref));
  } finally {
    cancelTimer();
    release();
  }
}
