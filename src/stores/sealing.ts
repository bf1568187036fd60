import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";

// AES-256-GCM with a fresh key for each value, derived from the data key and 16 random bytes: one data key may seal any
// number of values, where random nonces alone would end at 2^32.

/** NUL, "Pw", version 1: no JSON and no text begins so. */
const MAGIC = Buffer.of(0, 0x50, 0x77, 1);
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bytes that sealing adds to a value. */
const sealBytes: number = MAGIC.byteLength + SALT_BYTES + NONCE_BYTES + TAG_BYTES;

/** @param place what the value may not be taken away from: opening it elsewhere fails */
export function seal(key: Uint8Array, place: readonly string[], plain: Uint8Array | string): Uint8Array {
  const start = Buffer.concat([MAGIC, randomBytes(SALT_BYTES + NONCE_BYTES)]);
  const cipher = createCipheriv("aes-256-gcm", keyFor(key, start), nonceOf(start)).setAAD(aadOf(place));
  const sealed = cipher.update(typeof plain === "string" ? Buffer.from(plain) : plain);
  return Buffer.concat([start, sealed, cipher.final(), cipher.getAuthTag()]);
}

/** @returns null where the key or the place is another, or a byte was changed */
export function unseal(key: Uint8Array, place: readonly string[], sealed: Uint8Array): Buffer | null {
  if (sealed.byteLength < sealBytes || !isSealed(sealed)) return null;
  const start = sealed.subarray(0, sealBytes - TAG_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", keyFor(key, start), nonceOf(start), { authTagLength: TAG_BYTES });
  decipher.setAAD(aadOf(place)).setAuthTag(sealed.subarray(-TAG_BYTES));
  const plain = decipher.update(sealed.subarray(start.byteLength, -TAG_BYTES));
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    return null;
  }
}

export function isSealed(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(0, MAGIC.byteLength));
}

function keyFor(key: Uint8Array, start: Uint8Array): Buffer {
  return createHmac("sha256", key).update(start.subarray(MAGIC.byteLength, -NONCE_BYTES)).digest();
}

function nonceOf(start: Uint8Array): Uint8Array {
  return start.subarray(-NONCE_BYTES);
}

function aadOf(place: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(place));
}
