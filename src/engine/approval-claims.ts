import { PawlError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { EngineDeps } from "./deps.ts";

/** Who looks at an approval just now, so that two people do not; it lapses by itself. */
export interface ApprovalClaim {
  readonly by: string;
  /** ms since 1970 */
  readonly until: number;
}

type ClaimDeps = Pick<EngineDeps, "store" | "clock">;

const CAS_TRIES = 20;

/** A courtesy between people, kept beside the journal: what decides once is the journal alone. */
export class ApprovalClaims {
  readonly #deps: ClaimDeps;
  readonly #tenant: string;

  constructor(deps: ClaimDeps, tenant: string) {
    this.#deps = deps;
    this.#tenant = tenant;
  }

  /** null = nobody looks at it. */
  async of(approvalId: string): Promise<ApprovalClaim | null> {
    const record = await this.#deps.store.getRecord(this.#tenant, keyOf(approvalId));
    return record === null ? null : this.#inForce(record.value);
  }

  /** @throws APPROVAL_CLAIMED */
  async take(approvalId: string, by: string, ttlMs: number, takeOver: boolean): Promise<ApprovalClaim> {
    return this.#change(approvalId, ttlMs, (held) => {
      if (held !== null && held.by !== by && !takeOver) throw claimed(approvalId, held);
      return { by, until: this.#deps.clock.nowMs() + ttlMs };
    });
  }

  /** Harmless where the claim has lapsed. @throws APPROVAL_CLAIMED  it is another's */
  async release(approvalId: string, by: string): Promise<void> {
    await this.#change(approvalId, 1, (held) => {
      if (held !== null && held.by !== by) throw claimed(approvalId, held);
      return held === null ? null : { by, until: 0 };
    });
  }

  /** @throws APPROVAL_CLAIMED  another than `by` looks at it, and it is not taken over */
  async check(approvalId: string, by: string, takeOver: boolean): Promise<void> {
    const held = takeOver ? null : await this.of(approvalId);
    if (held !== null && held.by !== by) throw claimed(approvalId, held);
  }

  /** A decided approval is nobody's any more. */
  clear(approvalId: string): Promise<void> {
    return this.#deps.store.deleteRecord(this.#tenant, keyOf(approvalId));
  }

  #inForce(value: JsonValue): ApprovalClaim | null {
    const claim = value as unknown as ApprovalClaim;
    return claim.until > this.#deps.clock.nowMs() ? claim : null;
  }

  /** @param next null = as it is */
  async #change<T extends ApprovalClaim | null>(
    approvalId: string,
    ttlMs: number,
    next: (held: ApprovalClaim | null) => T,
  ): Promise<T> {
    const { store } = this.#deps;
    const key = keyOf(approvalId);
    for (let tries = 0; tries < CAS_TRIES; tries++) {
      const record = await store.getRecord(this.#tenant, key);
      const after = next(record === null ? null : this.#inForce(record.value));
      if (after === null) return after;
      const condition = record === null ? ({ ifAbsent: true } as const) : { ifVersion: record.version };
      const put = await store.putRecord(this.#tenant, key, { ...after }, condition, ttlMs);
      if (put.type === "ok") return after;
    }
    throw new PawlError(
      "STORE_UNREACHABLE",
      `the claim on approval "${approvalId}" changed ${CAS_TRIES} times while it was being written. Try again.`,
    );
  }
}

/** @throws OPTION_INVALID */
export function claimTtl(ttlMs: number = limits.approvalClaimMs): number {
  if (Number.isInteger(ttlMs) && ttlMs >= 1_000 && ttlMs <= limits.approvalClaimMaxMs) return ttlMs;
  throw new PawlError(
    "OPTION_INVALID",
    `an approval is claimed for 1000 to ${limits.approvalClaimMaxMs} ms, not ${String(ttlMs)}. Claim it again when the time runs out.`,
  );
}

function claimed(approvalId: string, { by, until }: ApprovalClaim): PawlError {
  return new PawlError(
    "APPROVAL_CLAIMED",
    `"${by}" is looking at approval "${approvalId}" until ${new Date(until).toISOString()}. Wait, or take it over explicitly.`,
    { details: { by, until } },
  );
}

function keyOf(approvalId: string): string {
  return `claim/${approvalId}`;
}
