import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A deliberate bug: one piece of the engine's text, replaced in a copy of the sources. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export const mutants: readonly Mutant[] = [
  {
    name: "fence-ignored",
    file: "src/engine/journal.ts",
    find: "if (isOwner(batch.by)) throw lost(this.ref, `fence ${batch.by.fence} took it over`);",
    replace: "",
  },
  {
    name: "settle-forgotten",
    file: "src/engine/shared-budget.ts",
    find: "await deps.store.settle(reservation.tenant, reservation.id, settledAmounts(reservation.amounts, fate));",
    replace: "",
  },
  {
    name: "start-event-removed",
    file: "src/engine/run-tool.ts",
    find: "if (needsStartEvent(run.tool.effect) && !(await desk.record([startedEvent(run, n)]))) return;",
    replace: "",
  },
  {
    name: "key-regenerated",
    file: "src/engine/run-tool.ts",
    find: "idempotencyKey: intent.key,",
    replace: "idempotencyKey: `${intent.key}:${desk.deps.entropy.id()}`,",
  },
  {
    name: "conflict-taken-for-success",
    file: "src/engine/journal.ts",
    find: `if (result.type === "ok" || result.type === "mine") {`,
    replace: `if (result.type === "ok" || result.type === "mine" || result.type === "conflict") {`,
  },
  {
    name: "outside-event-dropped-at-rebase",
    file: "src/engine/journal.ts",
    find: "this.#head = nextHead(this.#head, this.ref, encoded, batch);\n    this.#state = foldBatch(this.#state, batch, hash);",
    replace:
      "this.#head = nextHead(this.#head, this.ref, encoded, batch);\n    this.#state = { ...this.#state, seq: encoded.lastSeq, hash };",
  },
  {
    name: "park-race",
    file: "src/engine/park.ts",
    find: "clock.nowMs(),\n    () => [],\n  ))",
    replace: `clock.nowMs(),\n    () => [{ type: "run.parked", waits, dueAt: Number.isFinite(wakeAt) ? wakeAt : null }],\n  ), true)`,
  },
  {
    name: "snapshot-used-as-truth",
    file: "src/engine/load-run.ts",
    find: "const state = await foldTail(store, ref, base, head.seq);",
    replace:
      "const state = head.marks.snapshot === null ? await foldTail(store, ref, base, head.seq) : { ...base.state, seq: head.seq, hash: head.lastHash };",
  },
  {
    name: "tenant-ignored-in-threads",
    file: "src/engine/thread.ts",
    find: "const key = keyOf(seat);\n",
    replace: `const key = keyOf(seat);\n  seat = { ...seat, tenant: "all" };\n`,
  },
  {
    name: "tenant-ignored-in-approval-claims",
    file: "src/engine/approval-claims.ts",
    find: "this.#tenant = tenant;",
    replace: `this.#tenant = "all";`,
  },
  {
    name: "tenant-ignored-in-hints",
    file: "src/core/store-contract.ts",
    find: "return `run:${ref.tenant}/${ref.runId}`;",
    replace: "return `run:${ref.runId}`;",
  },
  {
    name: "tenant-ignored-in-keys-of-calls",
    file: "src/core/id.ts",
    find: "return tenant === defaultTenant ? own : `${hashText(tenant).slice(0, 16)}:${own}`;",
    replace: "return own;",
  },
];

const root = join(import.meta.dirname, "../..");

/** A text with the mutant's bug in it. @throws when the place is not there exactly once */
export function mutated(mutant: Mutant, text: string): string {
  const places = text.split(mutant.find).length - 1;
  if (places !== 1)
    throw new Error(
      `mutant "${mutant.name}": its text occurs ${places} times in ${mutant.file}, not once. Write it anew.`,
    );
  return text.replace(mutant.find, () => mutant.replace);
}

/** Makes a copy of the sources with one bug in a temporary folder. @returns the folder, and how to remove it */
export function mutantCopy(mutant: Mutant): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), `pawl-mutant-${mutant.name}-`));
  for (const path of ["src", "test/simulation", "test/run/options.ts", "package.json"])
    cpSync(join(root, path), join(folder, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const file = join(folder, mutant.file);
  writeFileSync(file, mutated(mutant, readFileSync(file, "utf8")));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
