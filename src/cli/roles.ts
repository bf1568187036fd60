import { PawlError } from "../core/errors.ts";
import type { Store } from "../core/store-contract.ts";

const roles = ["all", "gateway", "worker"] as const;
/** What a process of a deployment is: `all` = gateway, worker and console on one port. */
export type Role = (typeof roles)[number];

/** @throws OPTION_INVALID */
export function roleOf(given: string | undefined): Role {
  const wanted = given ?? process.env["PAWL_ROLE"] ?? "all";
  const role = roles.find((name) => name === wanted);
  if (role !== undefined) return role;
  throw new PawlError("OPTION_INVALID", `--role is "${wanted}". Give one of ${roles.join(", ")}.`);
}

/** A database file has one process; a gateway that shared it with workers elsewhere would wait for runs that nobody sees. */
export function refuseSplit(role: Role, store: Store): void {
  if (role === "all" || !/^(sqlite|memory)/.test(store.capabilities.name)) return;
  throw new PawlError(
    "OPTION_INVALID",
    `--role ${role} needs a store that several machines share, and this one is "${store.capabilities.name}". Set PAWL_STORE=redis://… or postgres://…, or leave --role out.`,
  );
}
