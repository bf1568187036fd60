import { randomInt } from "node:crypto";

const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";

/** `research-k3f9xw2m7q`: short enough to read out. There are 31^10, and one that is taken is refused. */
export function newRunId(name: string): string {
  return `${name}-${Array.from({ length: 10 }, () => LETTERS[randomInt(LETTERS.length)]).join("")}`;
}
