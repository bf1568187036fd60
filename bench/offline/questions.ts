import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A question about one of the folders, and where the answer stands; no passage where the documents hold none. */
export interface Question {
  readonly folder: string;
  readonly question: string;
  readonly passages: readonly Passage[];
}
export interface Passage {
  readonly file: string;
  readonly firstLine: number;
  readonly lastLine: number;
  /** Text that begins in the first line and ends in the last: so that the line numbers can be checked. */
  readonly says: string;
}

export const foldersRoot: string = join(import.meta.dirname, "folders");

/** @throws when a passage does not stand where the file says: the documents were edited and the lines were not */
export function questionsOf(file: string): readonly Question[] {
  const questions = JSON.parse(readFileSync(join(import.meta.dirname, file), "utf8")) as readonly Question[];
  for (const { folder, passages } of questions) for (const passage of passages) checkPassage(folder, passage);
  return questions;
}

function checkPassage(folder: string, { file, firstLine, lastLine, says }: Passage): void {
  const lines = readFileSync(join(foldersRoot, folder, file), "utf8").split("\n");
  if (
    lines
      .slice(firstLine - 1, lastLine)
      .join("\n")
      .includes(says)
  )
    return;
  throw new Error(`${folder}/${file}:${firstLine}-${lastLine} does not say "${says}"`);
}
