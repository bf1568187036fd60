import { PawlError } from "../core/errors.ts";
import type { RunRef } from "../core/id.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import type { Store } from "../core/store-contract.ts";
import type { CrashPlace } from "./crash/crash-run.ts";
import type { ResearchFolders } from "./research-agent.ts";

/** What a run of a built-in agent was given beside its input: any process that goes on with it needs it too. */
export type RunPlace =
  | ({ readonly kind: "research" } & ResearchFolders)
  | ({ readonly kind: "crash" } & CrashPlace)
  | { readonly kind: "team"; readonly docs: string };

/**
 * Keeps it beside the run, before the run starts; what is kept for a run that exists stays.
 * @throws RUN_EXISTS_DIFFERENT  the run searches another folder
 */
export async function rememberPlace(store: Store, ref: RunRef, place: RunPlace): Promise<void> {
  const kept = (await store.readHead(ref)) === null ? null : await placeOfRun(store, ref);
  if (kept === null) {
    await store.putRecord(ref.tenant, keyOf(ref.runId), place as unknown as JsonValue, {});
    return;
  }
  if (kept.kind !== "crash" && place.kind === kept.kind && kept.docs === place.docs) return;
  const found = kept.kind !== "crash" ? `searches "${kept.docs}"` : `is a run of the crash demo`;
  throw new PawlError(
    "RUN_EXISTS_DIFFERENT",
    `run "${ref.runId}" exists and ${found}. Use another run id, or go on with "pawl resume ${ref.runId}".`,
  );
}

/** null for a run of a configuration's agent. */
export async function placeOfRun(store: Store, ref: RunRef): Promise<RunPlace | null> {
  const record = await store.getRecord(ref.tenant, keyOf(ref.runId));
  if (record === null) return null;
  const { value } = record;
  if (isJsonObject(value) && kinds.some((kind) => kind === value["kind"])) {
    return value as unknown as RunPlace;
  }
  throw new PawlError("INTERNAL", `the record "${keyOf(ref.runId)}" was not written by this program.`);
}

const kinds: readonly string[] = ["research", "crash", "team"] satisfies RunPlace["kind"][];

function keyOf(runId: string): string {
  return `cli/run/${runId}`;
}
