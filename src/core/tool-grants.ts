import { PawlError } from "./errors.ts";
import { checkId, checkName } from "./id.ts";
import { limits } from "./limits.ts";

/** Whom a grant is for: all that is stated must fit; nothing stated = every run of the tenant. */
export interface GrantSubject {
  /** Name of the agent or function that runs. */
  readonly agent?: string;
  /** Who started the run; a child's is that of its root. */
  readonly principal?: string;
  /** Held by who started the run: see `StartOptions.roles`. */
  readonly role?: string;
}

/** What somebody may do: runs that fit may call `tool` with these of its capabilities. */
export interface GrantRequest extends GrantSubject {
  readonly tool: string;
  /** One version; absent = each. */
  readonly version?: string;
  /** `net:api.example.org`, `net:*.example.org`, `fs:/data`, `secret:mail`, `money`; `*` after the colon covers all of a kind. */
  readonly capabilities: readonly string[];
  /** ms since 1970; absent = until it is revoked. */
  readonly until?: number;
  readonly reason?: string;
}

/** A grant as it is kept: who gave it, and who took it back. */
export interface ToolGrant extends GrantRequest {
  readonly id: string;
  readonly by: string;
  readonly at: number;
  readonly revoked?: { readonly by: string; readonly at: number };
}

/** What the operator says of tools in the configuration. */
export interface ToolRules {
  /** Grants that hold as long as they are written here, for every tenant. */
  readonly grants?: readonly GrantRequest[];
  /**
   * `first-use` (default): a tool is accepted when it is first seen. Changes of the program's own tools are listed; those of
   * others (MCP), and of tools that a person has accepted, wait. `always`: whatever is new or changed waits.
   */
  readonly review?: "first-use" | "always";
}

/** The run that wants to call a tool. */
export interface GrantedRun {
  readonly agent: string;
  readonly principal: string;
  readonly roles: readonly string[];
}

const CAPABILITY = /^(?:money|[a-z][a-z0-9-]{0,31}:[^\s\p{C}]{1,256})$/u;

/** @throws OPTION_INVALID */
export function checkCapabilities(what: string, capabilities: readonly string[]): void {
  const isWrong = (one: unknown): boolean => typeof one !== "string" || !CAPABILITY.test(one);
  if (capabilities.length <= limits.toolCapabilities && !capabilities.some(isWrong)) return;
  const wrong: unknown = capabilities.find(isWrong) ?? `a list of ${capabilities.length}`;
  throw new PawlError(
    "OPTION_INVALID",
    `${what}: ${JSON.stringify(wrong).slice(0, 80)} is no capability. Give up to ${limits.toolCapabilities} of net:HOST, fs:/PATH, secret:NAME, money; net:* is every host.`,
  );
}

/** @throws OPTION_INVALID, NAME_INVALID, ID_INVALID; whether there is such a tool is not looked at */
export function checkGrant(grant: GrantRequest, nowMs: number): void {
  const what = `grant for "${String(grant.tool).slice(0, 64)}"`;
  checkName(`${what}: tool`, grant.tool);
  if (grant.version !== undefined) checkId(`${what}: version`, grant.version);
  if (grant.agent !== undefined) checkName(`${what}: agent`, grant.agent);
  checkCapabilities(what, grant.capabilities);
  if (grant.capabilities.length === 0)
    throw new PawlError("OPTION_INVALID", `${what} has no capabilities: say which of those that the tool asks for.`);
  if (grant.until !== undefined && !(Number.isSafeInteger(grant.until) && grant.until > nowMs))
    throw new PawlError(
      "OPTION_INVALID",
      `${what}: until is ${grant.until}, which is not in the future (ms since 1970).`,
    );
}

/** In force now, for this tool and this run. */
export function holds(
  grant: ToolGrant,
  tool: { readonly name: string; readonly version: string },
  run: GrantedRun,
  nowMs: number,
): boolean {
  const { version, agent, principal, role, until, revoked } = grant;
  if (grant.tool !== tool.name || (version !== undefined && version !== tool.version)) return false;
  if (revoked !== undefined || (until !== undefined && until <= nowMs)) return false;
  if (agent !== undefined && agent !== run.agent) return false;
  if (principal !== undefined && principal !== run.principal) return false;
  return role === undefined || run.roles.includes(role);
}

/**
 * Does a capability that is held include another? Hosts compare without case and `*.` means every name below; a path
 * includes what is under it; `*` is all of a kind. A wildcard is only included by one as wide.
 */
export function covers(held: string, wanted: string): boolean {
  if (held === wanted) return true;
  const [kind, value] = parted(held);
  const [wantedKind, wantedValue] = parted(wanted);
  if (kind !== wantedKind || value === "" || wantedValue === "") return false;
  if (value === "*") return true;
  if (wantedValue === "*") return false;
  if (kind === "net") return coversHost(value.toLowerCase(), wantedValue.toLowerCase());
  return kind === "fs" && coversPath(value, wantedValue);
}

/** What is granted of what is asked for: the narrower of each pair where one covers the other. */
export function grantedOf(asked: readonly string[], held: readonly string[]): readonly string[] {
  const both = asked.flatMap((one) => [
    ...(held.some((other) => covers(other, one)) ? [one] : []),
    ...held.filter((other) => other !== one && covers(one, other)),
  ]);
  return [...new Set(both)];
}

/** What is asked for and not granted, not even in part. */
export function missingOf(asked: readonly string[], held: readonly string[]): readonly string[] {
  return asked.filter((one) => !held.some((other) => covers(other, one) || covers(one, other)));
}

function parted(capability: string): readonly [kind: string, value: string] {
  const colon = capability.indexOf(":");
  return colon < 0 ? [capability, ""] : [capability.slice(0, colon), capability.slice(colon + 1)];
}

function coversHost(held: string, wanted: string): boolean {
  if (held === wanted) return true;
  return held.startsWith("*.") && wanted.endsWith(held.slice(1)) && wanted.length > held.length - 1;
}

/** A path that climbs (`..`) is under nothing. */
function coversPath(held: string, wanted: string): boolean {
  if (wanted.split(/[/\\]/).includes("..")) return false;
  const root = held.endsWith("/") ? held : `${held}/`;
  return wanted === held || wanted.startsWith(root);
}
