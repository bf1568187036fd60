import { fullJitterMs } from "../core/backoff.ts";
import { sleep, type Clock, type Entropy } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { limits } from "../core/limits.ts";
import { redactor, secretRules, type RedactionCounts, type Redactor } from "../core/redact.ts";
import type { SpanDetail } from "../core/trace-contract.ts";
import { ClosedSpans, type ChangedRun, type ClosedSpan } from "./closed-spans.ts";
import { ExportState, type ExportTally, type Receipt } from "./export-state.ts";
import { machineClock, machineEntropy } from "./machine.ts";
import { dialectOf } from "./otlp-dialects.ts";
import { post, type PostResult, type Receiver } from "./otlp-post.ts";
import { RequestBody, SpanEncoder, type EncodedSpan } from "./otlp-span.ts";
import { tryLock } from "./sqlite.ts";

export interface OtlpExportOptions {
  /** File of the trace index; somebody keeps it up to date. */
  readonly indexPath: string;
  /** File of what was delivered. Not a cache: without it everything is sent again. */
  readonly statePath: string;
  /** Base of an OTLP/HTTP receiver, such as `http://127.0.0.1:4318`, or its traces address that ends with `/v1/traces`. */
  readonly url: string;
  readonly headers?: { readonly [name: string]: string };
  /** Names of attributes. Default `otel`. */
  readonly dialect?: string;
  /** Attributes of the resource. Default `service.name` "pawl". */
  readonly resource?: { readonly [name: string]: string };
  /** Export what was said, too: prompts, answers, arguments, results. Default: none of it, nor the texts of errors. */
  readonly content?: (ref: RunRef, spanId: string) => Promise<SpanDetail>;
  /** Applied to every string that leaves. Default: credentials by their marks (`secretRules`). */
  readonly redact?: Redactor;
  /** Time of one request. Default 10 s. */
  readonly timeMs?: number;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
}

/**
 * Sends the closed spans of an index to an OTLP receiver: each once, complete, in the order in which they closed. A span's
 * place is passed only when the receiver has said that it has it; a process that dies between the answer and the record of
 * it sends that batch again, with the same ids, and after a loss of power the last batches may be sent again.
 */
export interface OtlpExporter {
  /** Sends what there is. Resolves when nothing is left, when the receiver fails (false), or when `signal` aborts. */
  flush(signal?: AbortSignal): Promise<boolean>;
  /** Sends what comes, until `signal` aborts. A receiver that is down delays; nothing is lost. */
  follow(signal: AbortSignal): Promise<void>;
  tally(): ExportTally;
  /** Closed spans that were not delivered yet: up to limits.exportPendingSpans, of at most limits.exportPendingRuns runs. */
  pending(): number;
  close(): void;
}

/** @throws OPTION_INVALID, STORE_LOCKED when another process exports with this state file */
export function otlpExporter(options: OtlpExportOptions): OtlpExporter {
  return new Exporter(options);
}

type Encoded = Omit<ClosedSpan, "span"> & { readonly encoded: EncodedSpan; readonly redacted: RedactionCounts };

class Exporter implements OtlpExporter {
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #spans: ClosedSpans;
  readonly #state: ExportState;
  readonly #encoder: SpanEncoder;
  readonly #receiver: Receiver;
  readonly #body: RequestBody;
  readonly #content: OtlpExportOptions["content"];
  readonly #lock: { release(): void };
  #failures = 0;
  #retryAfterMs = 0;

  constructor(options: OtlpExportOptions) {
    const dialect = dialectOf(options.dialect ?? "otel");
    const url = addressOf(options.url);
    this.#clock = options.clock ?? machineClock;
    this.#entropy = options.entropy ?? machineEntropy;
    const headers = { ...dialect.headers, ...options.headers };
    this.#receiver = { url, headers, timeMs: options.timeMs ?? limits.exportTimeMs };
    this.#body = new RequestBody({ "service.name": "pawl", ...options.resource });
    this.#content = options.content;
    this.#encoder = new SpanEncoder(dialect, options.redact ?? redactor(secretRules));
    this.#lock = lockOf(options.statePath);
    this.#spans = new ClosedSpans(options.indexPath);
    this.#state = new ExportState(options.statePath, `${dialect.name} ${url}`);
  }

  tally(): ExportTally {
    return this.#state.tally();
  }

  pending(): number {
    let [pending, runs, rev] = [0, 0, this.#state.revOf(this.#spans.identity)];
    while (runs < limits.exportPendingRuns) {
      const changed = this.#spans.changedSince(rev);
      for (const run of changed) {
        pending += this.#spans.countOf(run, this.#state.receiptOf(run.ref), limits.exportPendingSpans - pending);
        if (pending >= limits.exportPendingSpans) return pending;
      }
      const last = changed.at(-1);
      if (last === undefined) break;
      runs += changed.length;
      rev = last.rev;
    }
    return pending;
  }

  close(): void {
    this.#spans.close();
    this.#state.close();
    this.#lock.release();
  }

  async flush(signal: AbortSignal = new AbortController().signal): Promise<boolean> {
    const { identity } = this.#spans;
    let batch = new Batch();
    let rev = this.#state.revOf(identity);
    while (!signal.aborted) {
      const runs = this.#spans.changedSince(rev);
      for (const run of runs) {
        const next = await this.#sendRun(run, batch, signal);
        if (next === null) return false;
        batch = next;
        rev = run.rev;
      }
      // every page is sent, so that no run waits for another to fill a request
      if (!(await this.#deliver(batch.spans, signal))) return false;
      batch = new Batch();
      this.#state.setRev(identity, rev);
      if (runs.length === 0) return true;
    }
    return false;
  }

  #detailOf({ span, run }: ClosedSpan): Promise<SpanDetail | null> | null {
    const content = this.#content;
    return content === undefined || !hasContent(span.kind) ? null : contentOf(content, run, span.spanId);
  }

  /** @returns the batch that is being filled; null when the receiver failed */
  async #sendRun(run: ChangedRun, begun: Batch, signal: AbortSignal): Promise<Batch | null> {
    let batch = begun;
    let after = this.#state.receiptOf(run.ref);
    for (;;) {
      const spans = this.#spans.of(run, after, limits.exportBatchSpans);
      for (const span of spans) {
        const asked = this.#detailOf(span);
        const detail = asked === null ? null : await asked;
        batch.add(span, this.#encoder, detail);
        after = span;
        if (!batch.isFull) continue;
        if (!(await this.#deliver(batch.spans, signal))) return null;
        batch = new Batch();
      }
      if (spans.length < limits.exportBatchSpans) return batch;
    }
  }

  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let isDone = false;
      try {
        isDone = await this.flush(signal);
      } catch (error) {
        // the index or the state file: both may pass, and neither may end the export
        this.#failures++;
        this.#note(String(error));
      }
      await sleep(this.#clock, isDone ? limits.exportPollMs : this.#waitMs(), signal).catch(() => {});
    }
  }

  #waitMs(): number {
    const backoff = fullJitterMs(this.#failures, this.#entropy.random(), {
      baseMs: 1_000,
      capMs: limits.exportRetryMs,
    });
    return Math.max(limits.exportPollMs, this.#retryAfterMs, backoff);
  }

  #note(reason: string): void {
    try {
      this.#state.failed(reason, this.#clock.nowMs());
    } catch {
      // it cannot be written down; the next request tells
    }
  }

  /** @returns false when it must be tried again later; what was taken of it is receipted */
  async #deliver(spans: readonly Encoded[], signal: AbortSignal): Promise<boolean> {
    if (spans.length === 0) return true;
    const result = await this.#post(spans, signal);
    if (result.type === "taken") {
      this.#failures = 0;
      this.#retryAfterMs = 0;
      const { rejected, message } = result;
      const at = this.#clock.nowMs();
      const sent = Math.max(0, spans.length - rejected);
      this.#state.delivered(receiptsOf(spans), { sent, rejected, message, redacted: countsOf(spans), at });
      return true;
    }
    if (result.type === "later") {
      this.#failures++;
      this.#retryAfterMs = result.retryAfterMs ?? 0;
      // a request that was given up by us says nothing about the receiver
      if (!signal.aborted) this.#note(result.reason);
      return false;
    }
    return spans.length === 1 ? this.#refused(spans, result.reason, signal) : this.#halves(spans, signal);
  }

  /** Finds what the receiver refuses. */
  async #halves(spans: readonly Encoded[], signal: AbortSignal): Promise<boolean> {
    const middle = Math.ceil(spans.length / 2);
    return (await this.#deliver(spans.slice(0, middle), signal)) && (await this.#deliver(spans.slice(middle), signal));
  }

  /** A receiver that refuses even an empty request has no quarrel with a span: then nothing is given up. */
  async #refused(spans: readonly Encoded[], reason: string, signal: AbortSignal): Promise<boolean> {
    const probe = await this.#post([], signal);
    if (probe.type !== "taken") {
      this.#failures++;
      this.#note(`every request is refused (${reason}). Check the address and the headers.`);
      return false;
    }
    for (const receipt of receiptsOf(spans)) this.#state.quarantined(receipt, reason, this.#clock.nowMs());
    return true;
  }

  #post(spans: readonly Encoded[], signal: AbortSignal): Promise<PostResult> {
    const body = this.#body.of(spans.map(({ encoded }) => encoded));
    return post(this.#receiver, body, this.#clock.nowMs(), signal);
  }
}

/** Spans of one request. */
class Batch {
  readonly spans: Encoded[] = [];
  #chars = 0;

  get isFull(): boolean {
    return this.spans.length >= limits.exportBatchSpans || this.#chars >= limits.exportBodyBytes;
  }

  add(closed: ClosedSpan, encoder: SpanEncoder, detail: SpanDetail | null): void {
    const redacted: RedactionCounts = {};
    const encoded = encoder.encode(closed.span, closed.run, detail, redacted);
    this.#chars += encoded.json.length;
    this.spans.push({ run: closed.run, seq: closed.seq, spanId: closed.spanId, encoded, redacted });
  }
}

function countsOf(spans: readonly Encoded[]): RedactionCounts {
  const counts: RedactionCounts = {};
  for (const { redacted } of spans)
    for (const [rule, count] of Object.entries(redacted)) counts[rule] = (counts[rule] ?? 0) + count;
  return counts;
}

function hasContent(kind: ClosedSpan["span"]["kind"]): boolean {
  return kind === "model" || kind === "tool" || kind === "run";
}

/** What is gone, or cannot be read, is not exported; its span is. */
async function contentOf(
  content: NonNullable<OtlpExportOptions["content"]>,
  run: ChangedRun,
  spanId: string,
): Promise<SpanDetail | null> {
  try {
    return await content(run.ref, spanId);
  } catch (error) {
    if (PawlError.is(error) && error.retry === "never") return null;
    throw error;
  }
}

/** The last place of each run. */
function receiptsOf(spans: readonly Encoded[]): readonly (Receipt & { readonly ref: RunRef })[] {
  const last = new Map<number, Receipt & { readonly ref: RunRef }>();
  for (const { run, seq, spanId } of spans) last.set(run.row, { ref: run.ref, seq, spanId });
  return [...last.values()];
}

function addressOf(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new PawlError(
      "OPTION_INVALID",
      `"${url.slice(0, 100)}" is no http address. Give one such as http://127.0.0.1:4318.`,
    );
  const address = new URL(url);
  if (!address.pathname.endsWith("/v1/traces")) address.pathname = `${address.pathname.replace(/\/+$/, "")}/v1/traces`;
  return address.href;
}

function lockOf(path: string): { release(): void } {
  const lock = tryLock(`${path}.lock`);
  if (lock !== null) return lock;
  throw new PawlError("STORE_LOCKED", `another process exports with "${path}". End it, or name another state file.`);
}
