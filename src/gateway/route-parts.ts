import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import type { RunRef } from "../core/id.ts";
import type { JsonValue } from "../core/json.ts";
import type { RunHead } from "../core/run-head.ts";
import type { TraceIndex } from "../core/trace-contract.ts";
import { unknownRun } from "../engine/outbox.ts";
import { callId, runId } from "./api/values.ts";
import type { Gateway } from "./gateway.ts";

/** Where every route begins. */
export const prefix = "/api/v1";

export const runParams: z.ZodType<{ readonly runId: string }> = z.object({ runId });
export const callParams: z.ZodType<{ readonly runId: string; readonly callId: string }> = z.object({ runId, callId });

/** The run that a path names, always in the caller's own tenant. */
export function refOf({
  caller,
  params,
}: {
  readonly caller: { readonly tenant: string };
  readonly params: { readonly runId: string };
}): RunRef {
  return { tenant: caller.tenant, runId: params.runId };
}

/** @throws RUN_UNKNOWN, also for a run of another tenant */
export async function headOf({ app }: Gateway, ref: RunRef): Promise<RunHead> {
  const head = await app.store.readHead(ref);
  if (head === null) throw unknownRun(ref);
  return head;
}

/** @throws TRACES_OFF */
export function tracesOf({ traces }: Gateway): TraceIndex {
  if (traces !== null) return traces;
  throw new PawlError(
    "TRACES_OFF",
    "this process has no trace index. Ask one that has, or start this one with traces.",
  );
}

const KEY = /^[\x21-\x7e]{1,255}$/;

/** @throws IDEMPOTENCY_KEY_INVALID */
export function idempotencyKeyOf({ headers }: Pick<FastifyRequest, "headers">): string | null {
  const given = headers["idempotency-key"];
  if (given === undefined) return null;
  if (typeof given === "string" && KEY.test(given)) return given;
  throw new PawlError(
    "IDEMPOTENCY_KEY_INVALID",
    "Idempotency-Key must be one header of 1 to 255 visible ASCII characters. Use a random id for each action.",
  );
}

export interface Writer {
  readonly tenant: string;
  readonly by: string;
  /** Absent: this is said once. */
  readonly messageId?: string;
}

/**
 * Who writes, for the journal. With an `Idempotency-Key`, a repeat of the same request is taken once; the same key with
 * another route or body is another message.
 * @param action names the route
 */
export function writerOf(request: Pick<FastifyRequest, "headers" | "caller">, action: string, body: unknown): Writer {
  const { tenant, principal: by } = request.caller;
  const key = idempotencyKeyOf(request);
  // the cast: the body was JSON, and its schema changed nothing that is not
  return key === null
    ? { tenant, by }
    : { tenant, by, messageId: `http:${hashJson([by, key, action, body as JsonValue])}` };
}
