import { PawlError } from "./errors.ts";
import { parseJson, type JsonValue } from "./json.ts";

/** An opaque place in a listing. Its content is the store's business; a cursor of one listing is refused by another. */
export function encodeCursor(listing: string, place: JsonValue): string {
  return btoa(JSON.stringify([listing, place]))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** @throws CURSOR_INVALID when the text was not made by `encodeCursor` for this listing */
export function decodeCursor(listing: string, cursor: string): JsonValue {
  try {
    const parsed = parseJson(atob(cursor.replaceAll("-", "+").replaceAll("_", "/")));
    const pair: readonly JsonValue[] = parsed.ok && Array.isArray(parsed.value) ? parsed.value : [];
    if (pair[0] === listing) return pair[1] ?? null;
  } catch {
    // falls through to the one refusal below
  }
  throw new PawlError(
    "CURSOR_INVALID",
    `cursor "${cursor.slice(0, 40)}" is not one of the ${listing} listing. Start again without a cursor.`,
  );
}
