import { z } from "zod";
import type { Retry } from "../../core/errors.ts";
import { enumOf } from "./values.ts";

/** Every refusal, as `application/problem+json` (RFC 9457). */
export interface Problem {
  /** Where the code is explained. */
  readonly type: string;
  /** The code's meaning, the same for every case. */
  readonly title: string;
  readonly status: number;
  /** What was got, what is allowed, what to do next. */
  readonly detail: string;
  readonly code: string;
  /** `safe` repeat as it is · `read-first` look at the state, then decide · `never` unchanged */
  readonly retry: Retry;
  readonly details?: { readonly [key: string]: string | number | boolean | null };
  /** Where a request does not fit its schema: each place and what is wrong there. */
  readonly issues?: readonly ProblemIssue[];
}
export interface ProblemIssue {
  /** `body.limits.turns`, `query.limit`, `params.runId`, `headers.last-event-id` */
  readonly path: string;
  readonly message: string;
}

export const problem: z.ZodType<Problem> = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    retry: enumOf<Retry>({ safe: true, "read-first": true, never: true }),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).exactOptional(),
    issues: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  })
  .meta({ id: "Problem", description: "Why a request was refused, and what to do (RFC 9457)." });
