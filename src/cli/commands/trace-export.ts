import { PawlError } from "../../core/errors.ts";
import { otlpExporter, type ExportTally, type OtlpExporter } from "../../traces.ts";
import { complain } from "../complain.ts";
import { exitCodes } from "../exit-codes.ts";
import { countText } from "../figures.ts";
import type { Place } from "../place.ts";
import { note, paint, say } from "../terminal.ts";
import { exportFile, traceFile } from "../trace-file.ts";
import { withTraces, type OpenTraces } from "./traces.ts";

export interface TraceExportOptions extends Place {
  readonly otlp?: string;
  readonly header?: readonly string[];
  readonly dialect?: string;
  readonly content?: boolean;
  readonly once?: boolean;
}

/** `pawl traces export --otlp URL`: closed spans to an OTLP receiver, from where the last export stopped. */
export async function traceExport(options: TraceExportOptions): Promise<number> {
  const url = options.otlp;
  if (url === undefined) throw new PawlError("OPTION_INVALID", "name the receiver: --otlp http://127.0.0.1:4318");
  return withTraces(options, async (traces) => {
    const indexPath = traceFile(traces.databaseFile);
    const exporter = otlpExporter({
      indexPath,
      statePath: exportFile(indexPath),
      url,
      headers: headersOf(options.header ?? []),
      ...(options.dialect !== undefined && { dialect: options.dialect }),
      ...(options.content === true && { content: (ref, spanId) => traces.index.span(ref, spanId) }),
    });
    try {
      return options.once === true ? await once(exporter, options) : await following(exporter, traces, options);
    } finally {
      exporter.close();
    }
  });
}

async function once(exporter: OtlpExporter, options: TraceExportOptions): Promise<number> {
  const before = exporter.tally().sent;
  const isDone = await exporter.flush();
  tell(exporter.tally(), before, options);
  if (isDone) return exitCodes.ok;
  note(
    `not all was taken: ${exporter.tally().lastError ?? "no reason was given"}. Nothing is lost: repeat the command.`,
  );
  return exitCodes.failed;
}

async function following(exporter: OtlpExporter, { index }: OpenTraces, options: TraceExportOptions): Promise<number> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const before = exporter.tally().sent;
  note("exporting what comes. Ctrl+C ends it.");
  try {
    const indexing = index.follow(stop.signal).catch(complain);
    await exporter.follow(stop.signal);
    await indexing;
  } finally {
    process.removeListener("SIGINT", end);
    process.removeListener("SIGTERM", end);
  }
  tell(exporter.tally(), before, options);
  return exitCodes.ok;
}

function tell(tally: ExportTally, before: number, options: TraceExportOptions): void {
  if (options.json === true) {
    say(JSON.stringify(tally));
    return;
  }
  say(`${countText(tally.sent - before, "span")} sent, ${countText(tally.sent, "span")} in all`);
  if (tally.rejected > 0)
    say(paint("yellow", `${countText(tally.rejected, "span")} dropped by the receiver: ${tally.lastError ?? ""}`));
  if (tally.quarantined > 0)
    say(paint("red", `${countText(tally.quarantined, "span")} that the receiver will never take`));
  const removed = Object.entries(tally.redacted).map(([rule, count]) => `${rule} ${count}`);
  if (removed.length > 0) say(`removed: ${removed.join(", ")}`);
}

function headersOf(given: readonly string[]): { readonly [name: string]: string } {
  return Object.fromEntries(
    given.map((one) => {
      const [, name, value] = /^([A-Za-z0-9-]{1,100})[:=]\s*([ -~]{1,4000})$/.exec(one) ?? [];
      if (name === undefined || value === undefined)
        throw new PawlError("OPTION_INVALID", 'a --header is not of the form "name: value".');
      return [name.toLowerCase(), value];
    }),
  );
}
