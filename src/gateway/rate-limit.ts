import type { FastifyReply, FastifyRequest } from "fastify";
import { PawlError } from "../core/errors.ts";
import type { Caller } from "./caller.ts";
import type { Limits } from "./gateway-limits.ts";
import type { Taken, TokenBuckets } from "./token-buckets.ts";

/** What a refused credential costs its address: guessing keys ends after a few hundred. */
const REFUSAL_COST = 10;

/** Requests a second of an address, a key and a tenant. Each process counts by itself: n processes let n times as much through. */
export class RequestLimits {
  readonly #limits: Limits;
  readonly #buckets: TokenBuckets;

  constructor(limits: Limits, buckets: TokenBuckets) {
    this.#limits = limits;
    this.#buckets = buckets;
  }

  /** Before anything is read of the request. @throws RATE_LIMITED */
  takeAddress(request: FastifyRequest): void {
    const perS = this.#limits.addressRequestsPerS;
    if (perS !== null) refuseIfOver("address", this.#buckets.take(`ip:${addressOf(request)}`, perS));
  }

  /** A credential was refused. */
  punishAddress(request: FastifyRequest): void {
    const perS = this.#limits.addressRequestsPerS;
    if (perS !== null) this.#buckets.take(`ip:${addressOf(request)}`, perS, REFUSAL_COST);
  }

  /** @throws RATE_LIMITED */
  takeCaller(caller: Caller, reply: FastifyReply): void {
    const { credential, keyId, tenant } = caller;
    const { requestsPerS: keyPerS } = this.#limits.ofKey;
    const { requestsPerS: tenantPerS } = this.#limits.ofTenant(tenant);
    const id = keyId === null ? credential : `key:${keyId}`;
    if (keyPerS !== null) {
      const taken = this.#buckets.take(id, keyPerS);
      void reply.headers({
        "ratelimit-limit": String(Math.floor(taken.limit)),
        "ratelimit-remaining": String(Math.max(0, Math.floor(taken.left))),
        "ratelimit-reset": String(Math.ceil(taken.retryAfterMs / 1000)),
      });
      refuseIfOver("key", taken);
    }
    if (tenantPerS !== null) refuseIfOver("tenant", this.#buckets.take(`tenant:${tenant}`, tenantPerS));
  }
}

function refuseIfOver(whose: string, { ok, retryAfterMs }: Taken): void {
  if (!ok) throw rateLimited(`requests of this ${whose}`, retryAfterMs);
}

/** @param what `starts of this tenant` */
export function rateLimited(what: string, retryAfterMs: number): PawlError {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return new PawlError("RATE_LIMITED", `the limit of ${what} is used up. Try again in ${seconds} s.`, {
    details: { limit: what, retryAfterMs: seconds * 1000 },
  });
}

/** The socket's address, and for IPv6 its network: whoever has one address of a /64 has them all. */
function addressOf(request: FastifyRequest): string {
  const { ip } = request;
  if (!ip.includes(":") || ip.startsWith("::ffff:")) return ip;
  return ip.split("::")[0]?.split(":").slice(0, 4).join(":") ?? ip;
}
