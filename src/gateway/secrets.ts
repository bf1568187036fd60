import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** Text of 32 random bytes. Not from Entropy: a seeded run must never make a secret that can be guessed. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** 12 letters and digits that find a key; no secret. */
export function newPrefix(): string {
  return randomBytes(6).toString("hex");
}

/** What is stored of a secret. The secrets are random, so a plain SHA-256 cannot be searched. */
export function secretHash(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Compares in a time that does not depend on where the two differ. */
export function isSameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, "hex"), Buffer.from(other, "hex")];
  return a.length === b.length && timingSafeEqual(a, b);
}
