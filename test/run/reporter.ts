import { AssertionError } from "node:assert";
import { inspect } from "node:util";

/** One line of JSON that the reporter writes and `readReport` reads. */
export type ReportLine =
  | { readonly type: "pass" | "fail" | "skip"; readonly name: string; readonly file: string; readonly detail: string }
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "end" };

interface TestEvent {
  readonly type: string;
  readonly data?: {
    readonly name?: string;
    readonly file?: string;
    readonly entryFile?: string;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: {
      readonly type?: string;
      readonly error?: { readonly failureType?: string; readonly cause?: unknown };
    };
  };
}

/** The runner's own totals; ours are counted from the events. */
const TOTALS = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

function lineOf({ type, data = {} }: TestEvent): ReportLine | undefined {
  if (type === "test:summary") return { type: "end" };
  if (type === "test:diagnostic")
    return TOTALS.test(data.message ?? "") ? undefined : { type: "note", text: data.message ?? "" };
  if (type !== "test:pass" && type !== "test:fail") return undefined;
  const place = { name: data.name ?? "", file: data.entryFile ?? data.file ?? "" };
  const skipped = data.skip ?? data.todo;
  if (skipped !== undefined && skipped !== false) {
    return {
      type: "skip",
      ...place,
      detail: typeof skipped === "string" && skipped !== "" ? skipped : "no reason given",
    };
  }
  const error = data.details?.error;
  // A parent says only that a child failed, and a suite only groups: both would be counted twice.
  if (error?.failureType === "subtestsFailed") return undefined;
  if (type === "test:fail") return { type: "fail", ...place, detail: detailOf(error?.cause ?? error) };
  return data.details?.type === "suite" ? undefined : { type: "pass", ...place, detail: "" };
}

/** An assertion says all in its message; anything else may carry more. Frames inside Node help nobody. */
function detailOf(thrown: unknown): string {
  const text = thrown instanceof AssertionError ? (thrown.stack ?? thrown.message) : inspect(thrown, { depth: 3 });
  return text.replace(/^ +at .*\(?node:internal\/.*\n?/gm, "");
}

/** A reporter for `node --test-reporter`, which wants a default export. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    const line = lineOf(event);
    if (line !== undefined) yield `${JSON.stringify(line)}\n`;
  }
}
