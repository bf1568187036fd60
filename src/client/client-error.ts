import type { Problem } from "../gateway/api/problem.ts";

/** A refusal of the gateway, with what its problem document says. */
export class ClientError extends Error {
  readonly status: number;
  /** Of the table of errors; `HTTP_502` and the like where no problem document came. */
  readonly code: string;
  /** What was got, what is allowed, what to do next. */
  readonly detail: string;
  /** `safe` repeat as it is · `read-first` look at the state, then decide · `never` unchanged */
  readonly retry: Problem["retry"];
  /** How long to wait first; null = the server does not say. */
  readonly retryAfterMs: number | null;
  readonly problem: Problem | null;

  constructor(status: number, problem: Problem | null, retryAfterMs: number | null = null) {
    const detail = problem?.detail ?? `the server answered ${status} without saying why.`;
    super(detail);
    this.name = "ClientError";
    this.status = status;
    this.code = problem?.code ?? `HTTP_${status}`;
    this.detail = detail;
    this.retry = problem?.retry ?? (status >= 500 ? "read-first" : "never");
    this.retryAfterMs = retryAfterMs;
    this.problem = problem;
  }

  static is(error: unknown, code?: string): error is ClientError {
    return error instanceof ClientError && (code === undefined || error.code === code);
  }
}

/** What a refused answer says; never throws for its content. */
export async function refusalOf(response: Response): Promise<ClientError> {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : null;
  return new ClientError(response.status, problemOf(await response.text()), retryAfterMs);
}

/** null for what is no problem document. */
export function problemOf(text: string): Problem | null {
  try {
    const value: unknown = JSON.parse(text);
    const isProblem = typeof value === "object" && value !== null && "code" in value && "detail" in value;
    // the cast: it says that it is one, and every member is shown, not obeyed
    return isProblem ? (value as Problem) : null;
  } catch {
    return null;
  }
}
