import { rootRunIdOf } from "../core/id.ts";
import type { RunState, UnknownEffect } from "../core/run-state.ts";
import type { Desk } from "./desk.ts";
import { patiently } from "./patience.ts";

type Place = Pick<Desk, "deps" | "ref" | "right">;

/**
 * Effects of unknown outcome, told to the other runs of the tree by records: while one stands, no run of the tree makes the
 * same call. A run's own unknowns are in its fold; these records are for its relatives.
 */
export class TreeUnknowns {
  readonly #place: Place;
  #told: readonly UnknownEffect[] = [];

  constructor(place: Place) {
    this.#place = place;
  }

  /** Brings the records in line with the fold. Idempotent: done again by every owner of the run. */
  async tell(state: RunState): Promise<void> {
    const { unknowns } = state;
    const resolved = [...this.#told, ...resolvedIn(state)].filter(
      (one) => !unknowns.some((other) => other.callId === one.callId),
    );
    if (unknowns === this.#told && resolved.length === 0) return;
    const { deps, ref, right } = this.#place;
    for (const gone of resolved) {
      await patiently(deps, right.dead, () => deps.store.deleteRecord(ref.tenant, this.#key(gone.tool, gone.argsHash)));
    }
    for (const one of unknowns) {
      const value = { runId: ref.runId, callId: one.callId };
      await patiently(deps, right.dead, () =>
        deps.store.putRecord(ref.tenant, this.#key(one.tool, one.argsHash), value, {}),
      );
    }
    this.#told = unknowns;
  }

  /** True while another run of the tree has made this call with unknown outcome. */
  async isUnknown(tool: string, argsHash: string): Promise<boolean> {
    const { deps, ref, right } = this.#place;
    const record = await patiently(deps, right.dead, () => deps.store.getRecord(ref.tenant, this.#key(tool, argsHash)));
    return record !== null;
  }

  #key(tool: string, argsHash: string): string {
    return `unknown/${rootRunIdOf(this.#place.ref.runId)}/${tool}/${argsHash}`;
  }
}

/** Calls of this turn whose outcome was unknown and is found: perhaps by a person, while nobody owned the run. */
function resolvedIn(state: RunState): readonly UnknownEffect[] {
  return Object.values(state.calls).flatMap(({ callId, intent, news, fact }) => {
    const isResolved = news?.event.type === "effect.resolved" && fact === null;
    return isResolved && intent.type === "tool.called"
      ? [{ callId, tool: intent.tool, argsHash: intent.argsHash }]
      : [];
  });
}
