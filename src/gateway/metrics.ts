import { limits } from "../core/limits.ts";
import type { WorkerEvent } from "../engine/worker.ts";

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

interface Histogram {
  readonly counts: number[];
  count: number;
  sumS: number;
}

export type Labels = { readonly [name: string]: string | number };

/** A value that is read when somebody asks for the metrics. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  /** Default: gauge. */
  readonly type?: "gauge" | "counter";
  readonly value: number;
}

/**
 * Counts of this process in the text format of Prometheus. Labels come from the route table and from enumerations, never
 * from callers, so their number is bounded; limits.metricSeries stops what would still grow.
 */
export class Metrics {
  readonly #durations = new Map<string, Histogram>();
  readonly #counters = new Map<string, Map<string, number>>();
  readonly #sources: (() => readonly Gauge[])[] = [];

  request(labels: Labels, seconds: number): void {
    const key = labelText(labels);
    let histogram = this.#durations.get(key);
    if (histogram === undefined) {
      if (this.#durations.size >= limits.metricSeries) return;
      histogram = { counts: BUCKETS_S.map(() => 0), count: 0, sumS: 0 };
      this.#durations.set(key, histogram);
    }
    histogram.count++;
    histogram.sumS += seconds;
    const bucket = BUCKETS_S.findIndex((most) => seconds <= most);
    if (bucket >= 0) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  }

  count(name: CounterName, labels: Labels): void {
    const series = this.#counters.get(name) ?? new Map<string, number>();
    this.#counters.set(name, series);
    const key = labelText(labels);
    if (series.has(key) || series.size < limits.metricSeries) series.set(key, (series.get(key) ?? 0) + 1);
  }

  /** What another part of this process tells when somebody asks. Its names are its own. */
  addSource(read: () => readonly Gauge[]): void {
    this.#sources.push(read);
  }

  /** What the worker of this process tells. */
  worker(event: WorkerEvent): void {
    if (event.type === "finished") this.count("pawl_runs_executed_total", { how: event.how });
    else if (event.type === "claimed") this.count("pawl_runs_claimed_total", { takeover: String(event.attempts > 0) });
    else this.count("pawl_worker_troubles_total", { type: event.type });
  }

  text(gauges: readonly Gauge[]): string {
    const all = [...gauges, ...this.#sources.flatMap((read) => read())];
    return [...this.#histogramLines(), ...this.#counterLines(), ...all.flatMap(gaugeLines), ""].join("\n");
  }

  #histogramLines(): readonly string[] {
    const name = "http_server_request_duration_seconds";
    const lines = [`# HELP ${name} Time from a request to the end of its answer.`, `# TYPE ${name} histogram`];
    for (const [labels, { counts, count, sumS }] of this.#durations) {
      let below = 0;
      BUCKETS_S.forEach((most, i) => {
        below += counts[i] ?? 0;
        lines.push(`${name}_bucket{${labels},le="${most}"} ${below}`);
      });
      lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`${name}_sum{${labels}} ${sumS}`, `${name}_count{${labels}} ${count}`);
    }
    return lines;
  }

  #counterLines(): readonly string[] {
    return counterNames.flatMap((name) => {
      const series = [...(this.#counters.get(name) ?? [])];
      return [
        `# HELP ${name} ${counterHelp[name]}`,
        `# TYPE ${name} counter`,
        ...series.map(([labels, value]) => `${name}{${labels}} ${value}`),
      ];
    });
  }
}

const counterHelp = {
  pawl_runs_started_total: "Starts that were answered here, by route and whether the run was taken.",
  pawl_runs_claimed_total: "Runs that the worker of this process took.",
  pawl_runs_executed_total: "Claims that ended, by how.",
  pawl_worker_troubles_total: "Failures of the worker itself.",
  pawl_refusals_total: "Requests refused, by error code.",
} as const;
export type CounterName = keyof typeof counterHelp;
const counterNames = Object.keys(counterHelp) as readonly CounterName[];

function gaugeLines({ name, help, type = "gauge", value }: Gauge): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`];
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${String(value)
          .replaceAll(/[\\"\n]/g, "\\$&")
          .replaceAll("\n", "n")}"`,
    )
    .join(",");
}
