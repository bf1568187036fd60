import { PawlError } from "../../core/errors.ts";
import { checkId } from "../../core/id.ts";
import { parseJson } from "../../core/json.ts";
import type { EncryptedStore } from "../../index.ts";
import { ApiKeys, roles, type ApiKey, type Role } from "../../gateway.ts";
import { userName } from "../development-key.ts";
import { openApp, type Place } from "../place.ts";
import { note, say, sayTable } from "../terminal.ts";

export interface KeysOptions extends Place {
  readonly role?: readonly string[];
  readonly principal?: string;
  readonly expiresInDays?: string;
  readonly graceSeconds?: string;
}

const DAY_MS = 86_400_000;
const LISTED_MAX = 200;

/** Calls `act` with the keys of the place's store; beside a running `pawl up`, which knows a change within seconds. */
async function withKeys(
  options: KeysOptions,
  act: (keys: ApiKeys, at: { readonly tenant: string; readonly nowMs: number }) => Promise<void>,
): Promise<number> {
  const { app, tenant } = await openApp(options, { worker: false });
  try {
    const { store, clock } = app.deps;
    await act(new ApiKeys(store, clock), { tenant, nowMs: clock.nowMs() });
    return 0;
  } finally {
    await app.close();
  }
}

/** `pawl keys create NAME --role run --role read` */
export function createKey(name: string, options: KeysOptions): Promise<number> {
  const wanted = rolesOf(options.role ?? []);
  const days = numberOf("--expires-in-days", options.expiresInDays);
  return withKeys(options, async (keys, { tenant, nowMs }) => {
    const issued = await keys.create(tenant, {
      name,
      roles: wanted,
      createdBy: userName(),
      ...(options.principal !== undefined && { principal: options.principal }),
      ...(days !== null && { expiresAt: nowMs + days * DAY_MS }),
    });
    show(options, issued, issued.key);
  });
}

/** `pawl keys list` */
export function listKeys(options: KeysOptions): Promise<number> {
  return withKeys(options, async (keys, { tenant, nowMs }) => {
    const { items } = await keys.list(tenant, null, LISTED_MAX);
    if (options.json === true) for (const key of items) say(JSON.stringify(key));
    else if (items.length === 0) say(`tenant "${tenant}" has no keys. Make one: pawl keys create NAME --role run`);
    else {
      const rows = items.map((key) => [key.id, stateOf(key, nowMs), key.roles.join(","), key.principal, key.name]);
      sayTable(["KEY", "STATE", "ROLES", "PRINCIPAL", "NAME"], rows);
    }
  });
}

/** `pawl keys revoke ID` */
export function revokeKey(id: string, options: KeysOptions): Promise<number> {
  return withKeys(options, async (keys, { tenant }) => {
    const key = await keys.revoke(tenant, idOf(id));
    if (options.json === true) say(JSON.stringify(key));
    else say(`key ${key.id} is revoked; every gateway refuses it within seconds, and ends its streams.`);
  });
}

/** `pawl keys rotate ID` */
export function rotateKey(id: string, options: KeysOptions): Promise<number> {
  const seconds = numberOf("--grace-seconds", options.graceSeconds) ?? 0;
  return withKeys(options, async (keys, { tenant }) => {
    const issued = await keys.rotate(tenant, idOf(id), { createdBy: userName(), graceMs: seconds * 1000 });
    show(options, issued, issued.key);
    if (options.json !== true) say(`key ${idOf(id)} is refused ${seconds === 0 ? "from now on" : `in ${seconds} s`}.`);
  });
}

/** `pawl keys shred TENANT --yes` */
export function shredTenant(tenant: string, options: KeysOptions & { readonly yes?: boolean }): Promise<number> {
  if (options.yes !== true) {
    throw new PawlError(
      "OPTION_INVALID",
      `this deletes everything of tenant "${tenant.slice(0, 60)}", and nobody can bring it back. Say --yes to do it.`,
    );
  }
  return withEncrypted(options, async (store) => {
    await store.shred(checkId("tenant", tenant));
    say(options.json === true ? JSON.stringify({ tenant, shredded: true }) : `tenant "${tenant}" is gone for good.`);
  });
}

/** `pawl keys rewrap` */
export function rewrapKeys(options: KeysOptions): Promise<number> {
  return withEncrypted(options, async (store) => {
    const rewrapped = await store.rewrap();
    say(options.json === true ? JSON.stringify({ rewrapped }) : `${rewrapped} data keys are wrapped anew.`);
  });
}

async function withEncrypted(options: KeysOptions, act: (store: EncryptedStore) => Promise<void>): Promise<number> {
  const { app } = await openApp(options, { worker: false });
  try {
    const { store } = app.deps;
    if (!("shred" in store)) {
      throw new PawlError(
        "CONFIG_INVALID",
        `the store "${store.capabilities.name}" is not encrypted. Wrap it in pawl.config.ts: encrypted(store, { keys: envKeys() }).`,
      );
    }
    await act(store as EncryptedStore);
    return 0;
  } finally {
    await app.close();
  }
}

/** Whoever has only the text of a key may give that: its middle part is the id. */
function idOf(given: string): string {
  return /^pawl_([a-z0-9]{12})_/.exec(given)?.[1] ?? given;
}

function show(options: KeysOptions, key: ApiKey, text: string): void {
  if (options.json === true) return say(JSON.stringify({ ...key, key: text }));
  say(text);
  note(`key ${key.id} of tenant "${key.tenant}", ${key.roles.join(", ")}. It is shown this once: keep it now.`);
}

function stateOf({ expiresAt, revokedAt }: ApiKey, nowMs: number): string {
  if (revokedAt !== null && revokedAt <= nowMs) return "revoked";
  if (expiresAt !== null && expiresAt <= nowMs) return "expired";
  return revokedAt === null ? "in force" : "ends soon";
}

function rolesOf(given: readonly string[]): readonly Role[] {
  const wanted = given.flatMap((word) => word.split(","));
  const found = wanted.flatMap((word) => roles.filter((role) => role === word));
  if (found.length > 0 && found.length === wanted.length) return found;
  throw new PawlError(
    "OPTION_INVALID",
    `--role is "${wanted.join(", ").slice(0, 100)}". Give one or more of ${roles.join(", ")}.`,
  );
}

function numberOf(option: string, given: string | undefined): number | null {
  if (given === undefined) return null;
  const parsed = parseJson(given);
  if (parsed.ok && typeof parsed.value === "number" && parsed.value >= 0) return parsed.value;
  throw new PawlError("OPTION_INVALID", `${option} is "${given.slice(0, 40)}". Give a number from 0.`);
}
