import { errorTable, type ErrorCode, type ErrorEntry, type Retry } from "./error-table.ts";

const entries: { readonly [code in ErrorCode]: ErrorEntry } = errorTable;

/** An error as the journal, the API and a person see it: bounded text, no stack. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly details?: { readonly [key: string]: string | number | boolean | null };
}

const MESSAGE_CHARS_MAX = 2_000;
const DETAIL_CHARS_MAX = 500;
const DETAILS_MAX = 20;

/** The one error class. `message` names what was got, what is allowed and the next step. */
export class PawlError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorRecord["details"];

  constructor(
    code: ErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly details?: ErrorRecord["details"] },
  ) {
    super(message.slice(0, MESSAGE_CHARS_MAX), options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PawlError";
    this.code = code;
    this.details = options?.details;
  }

  get retry(): Retry {
    return entries[this.code].retry;
  }

  get status(): number {
    return entries[this.code].status;
  }

  /** Also true for an error of another copy of this package. */
  static is(error: unknown, code?: ErrorCode): error is PawlError {
    if (!(error instanceof Error) || error.name !== "PawlError" || !("code" in error)) return false;
    return code === undefined
      ? typeof error.code === "string" && Object.hasOwn(errorTable, error.code)
      : error.code === code;
  }
}

/**
 * Bounded record of anything that was thrown: no stack, no cause, of details only plain values.
 * @param clean takes secrets out before the text is cut, so that none is cut in two
 */
export function errorRecord(
  thrown: unknown,
  fallback: ErrorCode,
  clean: (text: string) => string = (text) => text,
): ErrorRecord {
  try {
    if (!PawlError.is(thrown)) {
      const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
      return { code: fallback, message: bounded(clean(text), MESSAGE_CHARS_MAX) };
    }
    const record = { code: thrown.code, message: bounded(clean(thrown.message), MESSAGE_CHARS_MAX) };
    return thrown.details === undefined ? record : { ...record, details: plainDetails(thrown.details) };
  } catch {
    return { code: fallback, message: "a value that cannot be shown" };
  }
}

function plainDetails(details: NonNullable<ErrorRecord["details"]>): NonNullable<ErrorRecord["details"]> {
  const isPlain = (value: unknown): boolean =>
    value === null || typeof value === "boolean" || typeof value === "string" || Number.isFinite(value);
  const plain = Object.entries(details).filter(([, value]) => isPlain(value));
  return Object.fromEntries(
    plain
      .slice(0, DETAILS_MAX)
      .map(([key, value]) => [key, typeof value === "string" ? bounded(value, DETAIL_CHARS_MAX) : value]),
  );
}

function bounded(text: string, charsMax: number): string {
  return text.slice(0, charsMax).toWellFormed();
}

const NOT_APPLIED = Symbol.for("pawl.notApplied");

/**
 * What a tool throws to say: I failed, and nothing has happened outside. Only then is a started `once` or
 * `reconcilable` call *failed*; any other throw leaves its outcome *unknown*.
 */
export function notApplied(reason: string): Error {
  return Object.assign(new Error(reason), { name: "NotApplied", [NOT_APPLIED]: true });
}

export function isNotApplied(thrown: unknown): boolean {
  return typeof thrown === "object" && thrown !== null && NOT_APPLIED in thrown;
}
