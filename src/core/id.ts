import { PawlError } from "./errors.ts";
import { hashText } from "./hash.ts";
import { limits } from "./limits.ts";

/** A run's address. The tenant is part of every storage key. */
export interface RunRef {
  readonly tenant: string;
  readonly runId: string;
}

/** The tenant of who has no other. */
export const defaultTenant = "default";

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** @throws ID_INVALID naming what was got and what is allowed */
export function checkId(what: string, id: string): string {
  if (id.length <= limits.idChars && ID.test(id)) return id;
  throw new PawlError(
    "ID_INVALID",
    `${what} "${id.slice(0, 60)}" is not an id. Use 1 to ${limits.idChars} letters, digits, ".", "_" or "-", starting with a letter or digit.`,
  );
}

/** @throws NAME_INVALID for names of agents, tools, signals and steps' owners */
export function checkName(what: string, name: string): string {
  if (name.length <= limits.nameChars && NAME.test(name)) return name;
  throw new PawlError(
    "NAME_INVALID",
    `${what} "${name.slice(0, 60)}" is not a name. Use 1 to ${limits.nameChars} letters, digits, "_" or "-", starting with a letter.`,
  );
}

/**
 * Id of the child run that call `callId` of `parent` starts: the same for every attempt, so a start that is repeated
 * finds the child that exists. It carries the root's id before `~`, so a run's partition is known from its id alone.
 */
export function childRunId(parent: string, callId: string): string {
  return `${rootRunIdOf(parent)}~${hashText(`${parent}/${callId}`).slice(0, 16)}`;
}

/** The root run of the tree that a run id belongs to. User ids cannot contain `~`. */
export function rootRunIdOf(runId: string): string {
  const cut = runId.indexOf("~");
  return cut < 0 ? runId : runId.slice(0, cut);
}

/**
 * What a call hands to a receiver that does a thing once per key: the same for every attempt, and never another tenant's,
 * whose runs may have the same ids. The tenant is in it as a hash, so that its length stays bounded.
 */
export function callKey({ tenant, runId }: RunRef, callId: string): string {
  const own = `${runId}:${callId}`;
  return tenant === defaultTenant ? own : `${hashText(tenant).slice(0, 16)}:${own}`;
}

const ESCROW = "~escrow~";

/** Under what a session's escrow stands in the ledger: no run has such an id. */
export function escrowRunId(sessionId: string): string {
  return `${ESCROW}${sessionId}`;
}

/** The session whose escrow it is; null for a run's id. */
export function escrowSessionOf(runId: string): string | null {
  return runId.startsWith(ESCROW) ? runId.slice(ESCROW.length) : null;
}

/** `name@version` */
export function nameAtVersion(name: string, version: string): string {
  return `${name}@${version}`;
}
