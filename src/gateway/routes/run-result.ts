import { PawlError } from "../../core/errors.ts";
import { isSettled } from "../../engine/run-handle.ts";
import { resultQuery } from "../api/list-queries.ts";
import { runResult, type RunResultOrStatus } from "../api/runs.ts";
import type { Caller } from "../caller.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { headOf, prefix, refOf, runParams } from "../route-parts.ts";

/** How a run stands, waited for at most so long. */
export function runResultRoutes(app: GatewayApp, gateway: Gateway): void {
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
      const left = new AbortController();
      const onClose = (): void => left.abort(new PawlError("CANCELLED", "the client has gone."));
      request.raw.socket.once("close", onClose);
      try {
        return await resultOf(gateway, request, left.signal);
      } finally {
        request.raw.socket.removeListener("close", onClose);
      }
    },
  );
}

interface ResultRequest {
  readonly caller: Caller;
  readonly params: { readonly runId: string };
  readonly query: { readonly waitMs?: number };
}

async function resultOf(gateway: Gateway, request: ResultRequest, left: AbortSignal): Promise<RunResultOrStatus> {
  const ref = refOf(request);
  const { waitMs = 0 } = request.query;
  const run = gateway.app.run(ref.runId, ref.tenant);
  const status = async (): Promise<RunResultOrStatus> => {
    const head = await headOf(gateway, ref);
    if (isSettled(head.status)) return run.result();
    return { runId: head.runId, status: head.status } as RunResultOrStatus;
  };
  const now = await status();
  if (waitMs === 0 || isSettled(now.status)) return now;
  const late = new AbortController();
  const stop = (): void => late.abort(new PawlError("CANCELLED", "waited long enough."));
  let isRefused = false;
  const release = gateway.streams.open(request.caller, () => {
    // the gateway that shuts down ends it too, and answers with what it has
    isRefused = !gateway.closing.aborted;
    stop();
  });
  const cancelTimer = gateway.clock.setTimer(waitMs, stop);
  try {
    return await run.result({ signal: AbortSignal.any([late.signal, left, gateway.closing]) });
  } catch (error) {
    if (isRefused) throw new PawlError("AUTH_INVALID", "the credential has ended meanwhile. Use another one.");
    if (!late.signal.aborted && !left.aborted && !gateway.closing.aborted) throw error;
    return await status();
  } finally {
    cancelTimer();
    release();
  }
}
