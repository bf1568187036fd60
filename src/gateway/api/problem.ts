import type { Retry } from "../../core/error-table.ts";

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
