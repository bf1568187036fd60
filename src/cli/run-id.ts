import { randomInt } from "node:crypto";

const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";

/** `research-k3f9xw2m7q`: short enough to read out, and another id of the same name is one in 10^14. */
export function newRunId(name: string): string {
  return `${name}-${Array.from({ length: 10 }, () => LETTERS[randomInt(LETTERS.length)]).join("")}`;
}
