import { limits } from "../../core/limits.ts";

/** A part of a long text: from `start` on as much as a model is shown at once, and where the next part begins. */
export function textPart(
  text: string,
  start: number,
): { readonly text: string; readonly next?: number; readonly chars?: number } {
  const end = start + limits.partChars;
  const part = text.slice(start, end).toWellFormed();
  return text.length > end ? { text: part, next: end, chars: text.length } : { text: part };
}
