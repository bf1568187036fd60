import { z } from "zod";
import type { ErrorRecord } from "../../core/errors.ts";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import type { Page } from "../../core/store-contract.ts";
import type { Usage } from "../../core/usage.ts";

// Types are written out and schemas are checked against them: a client imports types alone, without zod.

/** Any JSON. It came out of a JSON body, or goes into one, so there is nothing left to check. */
// the cast: zod has no "anything that JSON has" that does not walk the whole value
export const json: z.ZodType<JsonValue> = z.unknown() as unknown as z.ZodType<JsonValue>;
export const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), json);

/** The names of a union as an enum; the compiler sees to it that none is missing. */
export function enumOf<T extends string>(names: { readonly [name in T]: true }): z.ZodType<T> {
  return z.enum(Object.keys(names) as T[]);
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*(~[0-9a-f]{16})?$/;
const CALL_ID = /^[A-Za-z0-9][A-Za-z0-9._~-]*$/;
const APPROVAL_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*(~[0-9a-f]{16})?:[A-Za-z0-9][A-Za-z0-9._~-]*$/;
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** An id that a user chooses: of a run, a thread. */
export const userId: z.ZodType<string> = z.string().max(128).regex(ID);
/** Id of a run; of a child it carries its root's before `~`. */
export const runId: z.ZodType<string> = z.string().max(145).regex(RUN_ID);
export const callId: z.ZodType<string> = z.string().max(200).regex(CALL_ID);
export const approvalId: z.ZodType<string> = z.string().max(346).regex(APPROVAL_ID);
/** Name of an agent, a tool, a signal. */
export const name: z.ZodType<string> = z.string().max(64).regex(NAME);
export const spanId: z.ZodType<string> = z.string().regex(/^[0-9a-f]{16}$/);
export const hash: z.ZodType<string> = z.string().regex(/^[0-9a-f]{32}$/);

/** ms since 1970. */
export const at: z.ZodType<number> = z.number().min(0);
export const count: z.ZodType<number> = z.int().min(0);

/** A page of a listing: `{ items, cursor }`; a null cursor means the end. */
export function pageOf<T>(item: z.ZodType<T>): z.ZodType<Page<T>> {
  return z.object({ items: z.array(item), cursor: z.string().nullable() });
}

export const usage: z.ZodType<Usage> = z
  .object({
    inputTokens: count,
    cachedInputTokens: count,
    cacheWriteTokens: count,
    outputTokens: count,
    reasoningTokens: count,
  })
  .meta({ id: "Usage", description: "Tokens. Cached and reasoning tokens are parts of input and output." });

export const errorRecord: z.ZodType<ErrorRecord> = z
  .object({
    code: z.string(),
    message: z.string(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).exactOptional(),
  })
  .meta({ id: "ErrorRecord", description: "What went wrong; `code` is of the one table of errors." });
