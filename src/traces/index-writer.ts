import type { Bill, Span } from "../core/trace-contract.ts";
import type { ErrorRecord } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { isEnd } from "../core/run-outcome.ts";
import { failureOf } from "./error-groups.ts";
import { writeDocs, writeEffects } from "./index-content.ts";
import type { RunDelta } from "./run-delta.ts";
import type { TracedRun } from "./span-fold.ts";
import { minus, noSums, plus, sumColumns, sumsOf, sumsOfRow, sumValues, type Counted, type Sums } from "./span-sums.ts";
import { jsonOf, numberOf, textOf, textOrNull, type Database, type Row } from "./sqlite.ts";

/** A run's row, as far as the next write needs it. */
interface KnownRun {
  readonly id: number;
  readonly tree: number;
  readonly seq: number;
  readonly own: Sums;
  readonly status: string;
}

/** Writes what readings of journals bring. Every method is to be called inside a transaction. */
export class IndexWriter {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Seq up to which a run is indexed; 0 = not at all. */
  seqOf(tenant: string, runId: string): number {
    return this.#db.count("SELECT seq FROM run WHERE tenant = ? AND run_id = ?", tenant, runId);
  }

  /** @returns false when somebody else wrote first: nothing was written */
  apply(delta: RunDelta): boolean {
    const { run } = delta;
    const before = this.#known(run.tenant, run.runId);
    if ((before?.seq ?? 0) !== delta.afterSeq) return false;
    const known = before ?? this.#insert(run);
    const spans = this.#writeSpans(known, delta);
    writeEffects(this.#db, known.id, delta);
    writeDocs(this.#db, known, run.tenant, delta.docs);
    this.#writeRun(known, delta, plus(known.own, spans.sums));
    this.#writeFacets(known, run);
    this.#writeSaved(known.id, delta);
    this.#addAbove(run, spans.sums, spans.facets);
    return true;
  }

  /** Takes a run out, with what it adds to the runs above it. */
  forget(ref: RunRef): void {
    const row = this.#db.get("SELECT * FROM run WHERE tenant = ? AND run_id = ?", ref.tenant, ref.runId);
    if (row === undefined) return;
    const id = numberOf(row, "id");
    const above = textOrNull(row, "parent");
    if (above !== null) this.#addAbove({ tenant: ref.tenant, runId: above }, minus(noSums, sumsOfRow(row)), new Set());
    for (const doc of this.#db.all("SELECT id FROM doc WHERE run = ?", id)) {
      for (const table of ["tri", "short"]) this.#db.run(`DELETE FROM ${table} WHERE rowid = ?`, numberOf(doc, "id"));
    }
    // a group's title has words of its failures
    this.#db.run(
      `DELETE FROM error_group WHERE tenant = ? AND id IN (SELECT grp FROM failure WHERE run = ?)
       AND NOT EXISTS (SELECT 1 FROM failure WHERE tenant = error_group.tenant AND grp = error_group.id AND run <> ?)`,
      ref.tenant,
      id,
      id,
    );
    for (const table of ["doc", "effect", "failure", "cost", "span", "facet", "saved"])
      this.#db.run(`DELETE FROM ${table} WHERE run = ?`, id);
    this.#db.run("DELETE FROM run WHERE id = ?", id);
    this.cleared(ref);
  }

  /** Puts another bill in place of a span's, in all sums too. */
  rebill({ tenant, row }: { readonly tenant: string; readonly row: number }, span: Span, bill: Bill): void {
    const known = this.#known(tenant, span.runId);
    if (known === null) return;
    const change = minus(sumsOf({ ...span, bill }), sumsOf(span));
    this.#db.run("UPDATE span SET bill = ? WHERE id = ?", JSON.stringify(bill), row);
    this.#db.run("UPDATE run SET own = ? WHERE id = ?", JSON.stringify(plus(known.own, change)), known.id);
    this.#addAbove({ tenant, runId: span.runId }, change, new Set());
    this.#db.run(
      `UPDATE cost SET cost = cost + ?, unpriced = unpriced + ?
       WHERE tenant = ? AND day = ? AND run = ? AND model = ? AND tool = ?`,
      change.costNanoUsd,
      change.unpricedCalls,
      tenant,
      dayOf(span.endedAt ?? span.startedAt),
      known.id,
      modelOf(span),
      toolOf(span),
    );
  }

  /** Notes a journal that cannot be read further. */
  refuse(head: RunRef & { readonly seq: number }, { code, message }: ErrorRecord): void {
    const values = [head.tenant, head.runId, head.seq, code, message];
    this.#db.run(
      "INSERT OR REPLACE INTO refused (tenant, run_id, seq, code, message) VALUES (?, ?, ?, ?, ?)",
      ...values,
    );
  }

  cleared(ref: RunRef): void {
    this.#db.run("DELETE FROM refused WHERE tenant = ? AND run_id = ?", ref.tenant, ref.runId);
  }

  #known(tenant: string, runId: string): KnownRun | null {
    const row = this.#db.get(
      "SELECT id, tree, seq, own, status FROM run WHERE tenant = ? AND run_id = ?",
      tenant,
      runId,
    );
    if (row === undefined) return null;
    return {
      id: numberOf(row, "id"),
      tree: numberOf(row, "tree"),
      seq: numberOf(row, "seq"),
      own: jsonOf<Sums>(row, "own"),
      status: textOf(row, "status"),
    };
  }

  /** A child may have been read before its parent: what is below it already counts. */
  #insert(run: TracedRun): KnownRun {
    const db = this.#db;
    db.run("INSERT OR IGNORE INTO tree (tenant, root, docs) VALUES (?, ?, 0)", run.tenant, run.rootRunId);
    const tree = db.count("SELECT id FROM tree WHERE tenant = ? AND root = ?", run.tenant, run.rootRunId);
    const below = db.all("SELECT * FROM run WHERE tenant = ? AND parent = ?", run.tenant, run.runId);
    const id = db.insert(
      `INSERT INTO run (tenant, run_id, tree, parent, is_root, seq, rev, trace_id, runnable, version, status, principal,
       thread, tags, title, started_at, duration, turns, own, ${sumColumns})
       VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, ?, '', ?, ?, ?, ?, ?, 0, 0, ?, ${sumColumns.replaceAll(/\w+/g, "?")})`,
      run.tenant,
      run.runId,
      tree,
      run.parent?.runId ?? null,
      run.parent === null ? 1 : 0,
      run.traceId,
      run.runnable,
      run.version,
      run.principal,
      run.threadId,
      JSON.stringify(run.tags),
      run.title,
      run.startedAt,
      JSON.stringify(noSums),
      ...sumValues(noSums),
    );
    const known = { id, tree, seq: 0, own: noSums, status: "" };
    for (const child of below) this.#adopt(run, numberOf(child, "id"), sumsOfRow(child));
    return known;
  }

  #adopt(run: TracedRun, child: number, sums: Sums): void {
    const facets = this.#db.all(
      "SELECT kind, value FROM facet WHERE run = ? AND kind IN ('tool', 'model', 'error')",
      child,
    );
    this.#addAbove(run, sums, new Set(facets.map((row) => `${textOf(row, "kind")}\n${textOf(row, "value")}`)));
  }

  /** Adds to the run's own line and to those of the runs above it, as far as they are known. */
  #addAbove(run: RunRef, sums: Sums, facets: ReadonlySet<string>): void {
    const columns = sumColumns.split(", ");
    const set = columns.map((column) => `${column} = ${column} + ?`).join(", ");
    const values = sumValues(sums);
    let above: string | null = run.runId;
    while (above !== null) {
      const row: Row | undefined = this.#db.get(
        "SELECT id, parent FROM run WHERE tenant = ? AND run_id = ?",
        run.tenant,
        above,
      );
      if (row === undefined) return;
      const id = numberOf(row, "id");
      if (values.some((value) => value !== 0)) this.#db.run(`UPDATE run SET ${set} WHERE id = ?`, ...values, id);
      for (const facet of facets) this.#addFacet(run.tenant, facet, id);
      above = textOrNull(row, "parent");
    }
  }

  #addFacet(tenant: string, facet: string, run: number): void {
    const cut = facet.indexOf("\n");
    this.#db.run(
      "INSERT OR IGNORE INTO facet (tenant, kind, value, run) VALUES (?, ?, ?, ?)",
      tenant,
      facet.slice(0, cut),
      facet.slice(cut + 1),
      run,
    );
  }

  #writeRun(known: KnownRun, delta: RunDelta, own: Sums): void {
    const { run, error } = delta;
    const until = run.endedAt ?? delta.at;
    const rev = this.#nextRev();
    const failure = delta.spans.findLast((span) => span.kind === "run");
    const group = failure === undefined || !isEnd(run.status) ? null : failureOf(failure, run);
    this.#db.run(
      `UPDATE run SET seq = ?, rev = ?, status = ?, started_at = ?, ended_at = ?, duration = ?, turns = ?, own = ?,
       error = coalesce(?, error), error_group = coalesce(?, error_group) WHERE id = ?`,
      delta.seq,
      rev,
      run.status,
      run.startedAt,
      run.endedAt,
      Math.max(0, until - run.startedAt),
      run.turns,
      JSON.stringify(own),
      error === null ? null : JSON.stringify(error),
      group?.id ?? null,
      known.id,
    );
  }

  /** Never given again, also when the run that had the highest was taken out: an exporter looks only at what comes after. */
  #nextRev(): number {
    this.#db.run("INSERT INTO meta VALUES ('rev', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1");
    return this.#db.count("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'rev'");
  }

  #writeFacets(known: KnownRun, run: TracedRun): void {
    const { tenant } = run;
    if (known.status !== run.status) {
      const old = ["status", known.status] as const;
      this.#db.run(
        "DELETE FROM facet WHERE tenant = ? AND kind = ? AND value = ? AND run = ?",
        tenant,
        ...old,
        known.id,
      );
      this.#addFacet(tenant, `status\n${run.status}`, known.id);
    }
    if (known.seq > 0) return;
    this.#addFacet(tenant, `runnable\n${run.runnable}`, known.id);
    this.#addFacet(tenant, `principal\n${run.principal}`, known.id);
    if (run.threadId !== null) this.#addFacet(tenant, `thread\n${run.threadId}`, known.id);
    for (const tag of run.tags) this.#addFacet(tenant, `tag\n${tag}`, known.id);
  }

  #writeSaved(run: number, { saved }: RunDelta): void {
    if (saved === null) this.#db.run("DELETE FROM saved WHERE run = ?", run);
    else
      this.#db.run(
        "INSERT OR REPLACE INTO saved (run, fold, hash) VALUES (?, ?, ?)",
        run,
        JSON.stringify(saved.fold),
        saved.hash,
      );
  }

  // ---- spans, and what is counted by them

  #writeSpans(known: KnownRun, delta: RunDelta): { readonly sums: Sums; readonly facets: ReadonlySet<string> } {
    let sums = noSums;
    const facets = new Set<string>();
    for (const span of delta.spans) {
      const before = known.seq === 0 ? null : this.#counted(known.id, span.spanId);
      sums = minus(plus(sums, sumsOf(span)), before === null ? noSums : sumsOf(before));
      this.#writeSpan(known.id, span, delta.seq, before !== null);
      this.#writeBill(delta.run.tenant, known.id, span, before);
      this.#writeFailure(known.id, span, delta.run);
      for (const facet of facetsOf(span, delta.run)) facets.add(facet);
    }
    return { sums, facets };
  }

  #counted(run: number, spanId: string): Counted | null {
    const row = this.#db.get("SELECT kind, status, bill FROM span WHERE run = ? AND span_id = ?", run, spanId);
    if (row === undefined) return null;
    return {
      kind: textOf(row, "kind") as Span["kind"],
      status: textOf(row, "status") as Span["status"],
      bill: jsonOf<Span["bill"]>(row, "bill"),
    };
  }

  #writeSpan(run: number, span: Span, rev: number, isKnown: boolean): void {
    const { kind, status, startedAt, endedAt, seq, endSeq, parentSpanId, bill, spanId } = span;
    const data = JSON.stringify([span.name, span.callId, span.error, span.detail]);
    const billed = bill === null ? null : JSON.stringify(bill);
    if (isKnown) {
      this.#db.run(
        `UPDATE span SET parent_id = ?, end_seq = ?, rev = ?, status = ?, started_at = ?, ended_at = ?, bill = ?, data = ?
         WHERE run = ? AND span_id = ?`,
        parentSpanId,
        endSeq,
        rev,
        status,
        startedAt,
        endedAt,
        billed,
        data,
        run,
        spanId,
      );
      return;
    }
    this.#db.run(
      `INSERT INTO span (run, span_id, parent_id, seq, end_seq, rev, kind, status, started_at, ended_at, bill, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      run,
      spanId,
      parentSpanId,
      seq,
      endSeq,
      rev,
      kind,
      status,
      startedAt,
      endedAt,
      billed,
      data,
    );
  }

  #writeBill(tenant: string, run: number, span: Span, before: Counted | null): void {
    const { bill } = span;
    if (bill === null || bill.inherited || (before !== null && before.bill !== null)) return;
    const sums = sumsOf(span);
    const values = [1, ...sumValues(sums).slice(4, 9), sums.costNanoUsd, sums.unpricedCalls, bill.assumed ? 1 : 0];
    const columns = ["calls", "input", "cached", "cache_write", "output", "reasoning", "cost", "unpriced", "assumed"];
    this.#db.run(
      `INSERT INTO cost (tenant, day, run, model, tool, ${columns.join(", ")})
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET ${columns.map((column) => `${column} = ${column} + excluded.${column}`).join(", ")}`,
      tenant,
      dayOf(span.endedAt ?? span.startedAt),
      run,
      modelOf(span),
      toolOf(span),
      ...values,
    );
  }

  #writeFailure(run: number, span: Span, traced: TracedRun): void {
    const failure = failureOf(span, traced);
    if (failure === null) {
      // a reading of a later event may take it back: an unknown effect that was resolved
      if (span.status !== "open") this.#db.run("DELETE FROM failure WHERE run = ? AND span_id = ?", run, span.spanId);
      return;
    }
    const { id, title, code, place } = failure;
    this.#db.run(
      "INSERT OR IGNORE INTO error_group (tenant, id, title, code, place) VALUES (?, ?, ?, ?, ?)",
      traced.tenant,
      id,
      title,
      code,
      place,
    );
    this.#db.run(
      `INSERT INTO failure (tenant, grp, run, span_id, at, cost) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (run, span_id) DO UPDATE SET grp = excluded.grp, at = excluded.at, cost = excluded.cost`,
      traced.tenant,
      id,
      run,
      span.spanId,
      span.endedAt ?? span.startedAt,
      sumsOf(span).costNanoUsd,
    );
  }
}

/** UTC. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Endpoint `provider/model` of a model call or an attempt of one; "" = no model. As `billLines` says it. */
function modelOf({ detail, kind }: Span): string {
  const { endpoint } = detail;
  return typeof endpoint === "string" && (kind === "model" || kind === "attempt") ? endpoint : "";
}

function toolOf(span: Span): string {
  return span.kind === "tool" || (span.kind === "attempt" && modelOf(span) === "") ? span.name : "";
}

function* facetsOf(span: Span, run: TracedRun): Iterable<string> {
  const model = modelOf(span);
  if (model !== "") yield `model\n${model}`;
  const { model: answered } = span.detail;
  if (span.kind === "model") yield `model\n${span.name}`;
  if (typeof answered === "string" && model !== "") yield `model\n${answered}`;
  if (span.kind === "tool") yield `tool\n${span.name}`;
  const failure = failureOf(span, run);
  if (failure !== null) yield `error\n${failure.id}`;
}
