import type { Edit } from "./checkout-copy.ts";
import type { FaultKind } from "./judge.ts";

/** A deliberate bug, and what the sweep must find because of it. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly found: FaultKind;
}

const RUN_TOOL = "src/engine/run-tool.ts";

export const mutants: readonly Mutant[] = [
  {
    name: "start event removed",
    edits: [
      {
        file: RUN_TOOL,
        find: "if (needsStartEvent(run.tool.effect) && !(await desk.record([startedEvent(run, n)]))) return;",
        replace: "",
      },
    ],
    found: "doubled",
  },
  {
    name: "key made anew for each attempt",
    edits: [
      { file: RUN_TOOL, find: "idempotencyKey: intent.key,", replace: "idempotencyKey: `${intent.key}${attempt}`," },
    ],
    found: "doubled",
  },
  {
    name: "acknowledged before the commit",
    edits: [
      {
        file: "src/stores/sqlite.ts",
        find: "    this.#begin.run();",
        replace: "    if (!this.#db.isTransaction) this.#begin.run();",
      },
      {
        file: "src/stores/sqlite.ts",
        find: "    this.#commit.run();",
        replace: "    setTimeout(() => this.#db.isOpen && this.#db.isTransaction && this.#commit.run(), 20);",
      },
    ],
    found: "lost",
  },
  {
    name: "dead sessions left alone",
    edits: [
      {
        file: "src/engine/sweep.ts",
        find: "if (session.id !== ownSession && !session.dead) continue;",
        replace: "if (session.id !== ownSession) continue;",
      },
    ],
    found: "stuck",
  },
];

/** A deliberate bug that no kill of a process can show, since the system keeps what was written: only the order of calls. */
export const flushLeftOut: readonly Edit[] = [
  { file: "src/stores/sqlite-core.ts", find: "PRAGMA synchronous = FULL", replace: "PRAGMA synchronous = NORMAL" },
];
