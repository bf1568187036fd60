import { PawlError } from "../core/errors.ts";
import type { Durability } from "../core/store-contract.ts";
import type { NodeFacts } from "./redis.ts";

/** Sharded channels, and scripts that say what they do, came with it. */
const VERSION_MIN = 7;

/**
 * What a server must be to keep runs.
 * @returns what it survives, by the weakest node
 * @throws OPTION_INVALID, STORE_EVICTS, STORE_READ_ONLY
 */
export function checkedDurability(
  nodes: readonly NodeFacts[],
  server: { readonly place: string; readonly isCluster: boolean },
): Durability {
  for (const node of nodes) checkNode(node, server);
  return nodes.every((node) => node.config.get("appendonly") === "yes" && node.config.get("appendfsync") === "always")
    ? "power"
    : "window";
}

function checkNode({ info, config }: NodeFacts, { place, isCluster }: { place: string; isCluster: boolean }): void {
  const version = info.get("redis_version") ?? "";
  if (Number.parseInt(version, 10) < VERSION_MIN) {
    throw new PawlError(
      "OPTION_INVALID",
      `Redis at ${place} has version ${version}; Pawl needs ${VERSION_MIN}.0 or newer. Upgrade it, or name another.`,
    );
  }
  if (info.get("cluster_enabled") === "1" && !isCluster) {
    throw new PawlError(
      "OPTION_INVALID",
      `Redis at ${place} is a node of a cluster. Begin the URL with "redis+cluster://" or "rediss+cluster://".`,
    );
  }
  if (info.get("role") === "slave" || info.get("role") === "replica") {
    throw new PawlError("STORE_READ_ONLY", `Redis at ${place} is a read-only replica. Name the primary instead.`);
  }
  const policy = config.get("maxmemory-policy") ?? info.get("maxmemory_policy");
  if (policy !== "noeviction") {
    throw new PawlError(
      "STORE_EVICTS",
      `Redis at ${place} has maxmemory-policy "${policy ?? "unknown"}": it may throw runs away when its memory is full. Set it to noeviction ("CONFIG SET maxmemory-policy noeviction", and in its file).`,
    );
  }
}
