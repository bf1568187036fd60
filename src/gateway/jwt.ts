import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from "jose";
import { PawlError } from "../core/errors.ts";
import { checkId } from "../core/id.ts";
import type { Caller } from "./caller.ts";
import { isRole, type Role } from "./roles.ts";

/** Tokens of an identity provider (OIDC access tokens). */
export interface JwtOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Where its keys are: https, or http on loopback. */
  readonly jwksUrl: string;
  /** Signature algorithms that count; default RS256, ES256 and EdDSA. Shared secrets (HS…) and none are never taken. */
  readonly algorithms?: readonly string[];
  /** Claim that names the tenant; default "tenant". */
  readonly tenantClaim?: string;
  /** Claim with the roles: a list, or words with spaces between; default "roles". */
  readonly rolesClaim?: string;
  /** The provider's names of roles, where they differ from ours. */
  readonly roleNames?: { readonly [theirs: string]: Role };
}

const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
const CLOCK_TOLERANCE_S = 5;
const FETCH_MS = 5_000;
const FETCH_AGAIN_MS = 30_000;
const KEYS_KEPT_MS = 600_000;

/** Judges tokens; its keys are fetched once and kept, and an unknown key id asks for them at most twice a minute. */
export class Tokens {
  readonly #options: JwtOptions;
  readonly #algorithms: string[];
  readonly #jwks: JWTVerifyGetKey;

  /** @throws CONFIG_INVALID */
  constructor(options: JwtOptions) {
    checkOptions(options);
    this.#options = options;
    this.#algorithms = [...(options.algorithms ?? ["RS256", "ES256", "EdDSA"])];
    this.#jwks = createRemoteJWKSet(new URL(options.jwksUrl), {
      timeoutDuration: FETCH_MS,
      cooldownDuration: FETCH_AGAIN_MS,
      cacheMaxAge: KEYS_KEPT_MS,
    });
  }

  /**
   * null = the token is not valid here.
   * @throws AUTH_INVALID  the token is good but says no tenant, no user or no role: there is no default
   */
  async verify(token: string): Promise<Caller | null> {
    const { issuer, audience } = this.#options;
    let payload: JWTPayload;
    try {
      const verified = await jwtVerify(token, this.#jwks, {
        issuer,
        audience,
        algorithms: this.#algorithms,
        requiredClaims: ["exp", "sub"],
        clockTolerance: CLOCK_TOLERANCE_S,
      });
      payload = verified.payload;
    } catch (error) {
      if (isUnreachable(error)) {
        throw new PawlError("OVERLOADED", "the keys of the identity provider cannot be fetched now. Try again.", {
          cause: error,
          details: { retryAfterMs: FETCH_AGAIN_MS },
        });
      }
      return null;
    }
    return this.#callerOf(payload);
  }

  #callerOf(payload: JWTPayload): Caller {
    const { tenantClaim = "tenant", rolesClaim = "roles", roleNames = {} } = this.#options;
    const tenant = payload[tenantClaim];
    if (typeof tenant !== "string" || tenant === "") {
      throw new PawlError("AUTH_INVALID", `the token has no claim "${tenantClaim}", which names the tenant.`);
    }
    const held = namesOf(payload[rolesClaim]).flatMap((name) => {
      const role = Object.hasOwn(roleNames, name) ? roleNames[name] : name;
      return isRole(role) ? [role] : [];
    });
    const { sub = "", exp = 0 } = payload;
    if (!/^[\x21-\x7e]{1,128}$/.test(sub)) {
      throw new PawlError("AUTH_INVALID", 'the token\'s "sub" must be 1 to 128 visible ASCII characters.');
    }
    return {
      tenant: checkId("tenant", tenant),
      principal: sub,
      roles: [...new Set(held)],
      keyId: null,
      kind: "token",
      credential: `token:${tenant}/${sub}`,
      expiresAt: exp * 1000,
    };
  }
}

function namesOf(claim: unknown): readonly string[] {
  if (typeof claim === "string") return claim.split(/\s+/).filter((name) => name !== "");
  return Array.isArray(claim) ? claim.filter((name): name is string => typeof name === "string") : [];
}

function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error ? error.code : undefined;
  return code === "ERR_JWKS_TIMEOUT" || error.name === "TypeError" || code === "ERR_JOSE_GENERIC";
}

function checkOptions({ issuer, audience, jwksUrl, algorithms = ["ES256"] }: JwtOptions): void {
  const refuse = (what: string): never => {
    throw new PawlError("CONFIG_INVALID", `the gateway's jwt option: ${what}.`);
  };
  if (issuer === "" || audience === "") refuse("issuer and audience must be set");
  const url = URL.parse(jwksUrl);
  const isLoopback = url !== null && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (url === null || !(url.protocol === "https:" || (url.protocol === "http:" && isLoopback))) {
    refuse(`jwksUrl is "${jwksUrl.slice(0, 200)}"; it must be an https address`);
  }
  if (algorithms.length === 0) refuse("algorithms is empty, so no token could be taken");
  const wrong = algorithms.find((name) => !ALGORITHMS.includes(name));
  if (wrong !== undefined) refuse(`algorithm "${wrong}" is not taken. There are: ${ALGORITHMS.join(", ")}`);
}
