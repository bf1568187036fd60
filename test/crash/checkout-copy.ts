import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A deliberate bug: in a file of src, `find` becomes `replace`. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const checkout = join(import.meta.dirname, "../..");

/**
 * Copies what victims need into a folder, so that a sweep of minutes tests one state of the sources, and a mutant never
 * touches them.
 * @throws when an edit does not find its text exactly once: the source has moved on, and the mutant must follow
 */
export function copyCheckout(folder: string, edits: readonly Edit[] = []): string {
  mkdirSync(folder, { recursive: true });
  for (const part of ["src", "test/crash", "package.json"])
    cpSync(join(checkout, part), join(folder, part), { recursive: true });
  symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
  for (const { file, find, replace } of edits) {
    const path = join(folder, file);
    const text = readFileSync(path, "utf8");
    const found = text.split(find).length - 1;
    if (found !== 1) throw new Error(`mutant: ${file} holds ${found} times, not once: ${find}`);
    writeFileSync(
      path,
      text.replace(find, () => replace),
    );
  }
  return folder;
}
