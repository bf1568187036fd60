import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

/** A folder with these files (path to content), gone when the test ends. */
export function tempFolder(t: TestContext, files: { readonly [path: string]: string | Uint8Array } = {}): string {
  const root = mkdtempSync(join(tmpdir(), "pawl-tools-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}
