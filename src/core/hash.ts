import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { canonicalJson, type JsonValue } from "./json.ts";

/** SHA-256 of UTF-8 text, first 32 hex digits (128 bits): journal chain, blobs, actions, inputs. */
export function hashText(text: string): string {
  return hash("sha256", text, "hex").slice(0, 32);
}

/** Hash of a JSON value that does not depend on key order. */
export function hashJson(value: JsonValue): string {
  return hashText(canonicalJson(value));
}

/** One link of a hash chain: `previous` is the chain so far ("" at its start). */
export function hashLink(previous: string, text: string): string {
  return hashText(`${previous}\n${text}`);
}

/** CRC-32 of UTF-8 text as 8 hex digits: finds a damaged batch, proves nothing about who wrote it. */
export function crcText(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
