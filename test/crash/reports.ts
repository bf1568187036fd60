import { writeSync } from "node:fs";
import type { JsonValue } from "../../src/core/json.ts";

/** What a victim tells the sweep, a line each, written before it goes on. */
export type Report =
  /** Loaded, nothing of the database touched: waits for a line on its standard input. */
  | { readonly type: "ready"; readonly pid: number }
  /** The store acknowledged this batch of a run's journal. */
  | { readonly type: "acknowledged"; readonly runId: string; readonly firstSeq: number; readonly hash: string }
  | { readonly type: "blob"; readonly scope: string; readonly hash: string }
  | { readonly type: "clock"; readonly skippedMs: number }
  /** The person beside the runs did something. */
  | { readonly type: "person"; readonly did: "approved" | "resolved" | "unblocked"; readonly what: string }
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "stuck"; readonly detail: string }
  | { readonly type: "ended"; readonly answer: JsonValue };

/** The pipe that the sweep reads: nothing of the victim's own output. */
const REPORT_FILE = 3;

export function report(message: Report): void {
  writeSync(REPORT_FILE, `${JSON.stringify(message)}\n`);
}
