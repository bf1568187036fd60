import { PawlError } from "../core/errors.ts";

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Where a server is, as an URL says it. */
export interface RedisAddress {
  readonly nodes: readonly RedisNode[];
  readonly isCluster: boolean;
  readonly isTls: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  /** For messages: hosts and ports, never the password. */
  readonly place: string;
}

const URL_FORM = /^(rediss?)(\+cluster)?:\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/(\d{0,5}))?$/;
const FORMS = '"redis://host:6379", "rediss://host:6379" with TLS, or "redis+cluster://host:6379,host:6379"';

/**
 * Reads `redis://user:password@host:6379/0`, and `redis+cluster://host:6379,host:6379` for a cluster.
 * @throws OPTION_INVALID
 */
export function redisAddress(url: string): RedisAddress {
  const [, scheme, cluster, login, hosts, db] = URL_FORM.exec(url) ?? [];
  if (scheme === undefined || hosts === undefined) {
    throw new PawlError("OPTION_INVALID", `redisStore(${schemeOf(url)}) names no server. Use ${FORMS}.`);
  }
  const nodes = hosts.split(",").map(nodeOf);
  const isCluster = cluster !== undefined;
  if (!isCluster && nodes.length > 1) {
    throw new PawlError(
      "OPTION_INVALID",
      `"${hosts}" are several servers. For a cluster, begin with "${scheme}+cluster://".`,
    );
  }
  if (isCluster && Number(db ?? 0) !== 0) {
    throw new PawlError("OPTION_INVALID", `a Redis cluster has database 0 only, not ${db}. Leave it out of the URL.`);
  }
  const [username, password] = loginOf(login ?? "");
  return {
    nodes,
    isCluster,
    isTls: scheme === "rediss",
    ...(username !== "" && { username }),
    ...(password !== "" && { password }),
    db: Number(db ?? 0),
    place: nodes.map(({ host, port }) => `${host}:${port}`).join(","),
  };
}

function nodeOf(text: string): RedisNode {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) {
    throw new PawlError("OPTION_INVALID", `"${text}" is no host and port. Use ${FORMS}.`);
  }
  return { host, port: Number(port ?? 6379) };
}

function loginOf(login: string): readonly [username: string, password: string] {
  const colon = login.indexOf(":");
  try {
    const [username, password] = colon < 0 ? [login, ""] : [login.slice(0, colon), login.slice(colon + 1)];
    return [decodeURIComponent(username), decodeURIComponent(password)];
  } catch {
    throw new PawlError("OPTION_INVALID", `user and password in the URL are not URL-encoded. Write "%" as "%25".`);
  }
}

/** What may be shown of an URL that was not understood: it may hold a password. */
function schemeOf(url: string): string {
  const scheme = /^[a-z+]{1,20}:\/\//i.exec(url)?.[0];
  return scheme === undefined ? "" : `"${scheme}…"`;
}
