import { sleep, type Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import type { SpanDetail } from "../core/trace-contract.ts";
import type { Gauge, OtlpConfig } from "../gateway.ts";
import { otlpExporter, type OtlpExporter } from "../traces.ts";
import { complain } from "./complain.ts";
import { exportFile } from "./trace-file.ts";

export interface OtlpLoopOptions {
  readonly to: OtlpConfig;
  /** Of a trace index that is open, and kept up to date. */
  readonly indexPath: string;
  readonly detail: (ref: RunRef, spanId: string) => Promise<SpanDetail>;
  readonly clock: Clock;
}

/**
 * Sends closed spans to a receiver beside the runs, from where the last export stopped. They are read from the index and
 * wait there while the receiver is down, so that no run waits for one. One process exports an index at a time; when it
 * ends, another that serves the same database goes on.
 */
export class OtlpLoop {
  readonly #options: OtlpLoopOptions;
  readonly #ending = new AbortController();
  #exporter: OtlpExporter | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: OtlpLoopOptions) {
    this.#options = options;
  }

  /** @throws OPTION_INVALID, and what opening the file of receipts throws */
  start(): void {
    this.#exporter = this.#open();
    this.#running = this.#run();
  }

  /** Gives up the request that is under way: what was not acknowledged is sent again, with the same ids, after the next start. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  /** Where the export stands, for /metrics. Counts are of all processes and restarts, as the file of receipts has them. */
  gauges(): readonly Gauge[] {
    const exporter = this.#exporter;
    const isExporting: Gauge = {
      name: "pawl_otlp_exporting",
      help: "1 while this process exports spans; 0 = another one does.",
      value: exporter === null ? 0 : 1,
    };
    if (exporter === null) return [isExporting];
    try {
      return [isExporting, ...gaugesOf(exporter)];
    } catch (error) {
      complain(error);
      return [isExporting];
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        this.#exporter ??= this.#open();
        await this.#exporter?.follow(signal);
      } catch (error) {
        complain(error);
      }
      this.#leave();
      await sleep(this.#options.clock, limits.traceRetryMs, signal).catch(() => undefined);
    }
    this.#leave();
  }

  #leave(): void {
    const exporter = this.#exporter;
    this.#exporter = null;
    exporter?.close();
  }

  /** null = another process exports. */
  #open(): OtlpExporter | null {
    const { to, indexPath, detail, clock } = this.#options;
    try {
      return otlpExporter({
        indexPath,
        statePath: exportFile(indexPath),
        url: to.url,
        clock,
        ...(to.headers !== undefined && { headers: to.headers }),
        ...(to.content === true && { content: detail }),
        ...(to.redact !== undefined && { redact: to.redact }),
      });
    } catch (error) {
      if (PawlError.is(error, "STORE_LOCKED")) return null;
      throw error;
    }
  }
}

function gaugesOf(exporter: OtlpExporter): readonly Gauge[] {
  const { sent, rejected, quarantined, failures, lastErrorAt, lastSentAt } = exporter.tally();
  const seconds = (ms: number | null): number => (ms ?? 0) / 1000;
  const counter = (name: string, help: string, value: number): Gauge => ({ name, help, type: "counter", value });
  return [
    counter("pawl_otlp_exported_spans_total", "Spans that the receiver said it has.", sent),
    counter("pawl_otlp_dropped_spans_total", "Spans that the receiver dropped or refuses.", rejected + quarantined),
    counter("pawl_otlp_failures_total", "Requests that failed; their spans are sent again.", failures),
    {
      name: "pawl_otlp_pending",
      help: `Closed spans that wait, counted up to ${limits.exportPendingSpans}, of at most ${limits.exportPendingRuns} runs.`,
      value: exporter.pending(),
    },
    { name: "pawl_otlp_last_error_timestamp_seconds", help: "0 = never.", value: seconds(lastErrorAt) },
    { name: "pawl_otlp_last_sent_timestamp_seconds", help: "0 = never.", value: seconds(lastSentAt) },
  ];
}
