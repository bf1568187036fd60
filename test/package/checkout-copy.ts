import { cpSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** A copy to build and pack in, so that the checkout's own dist is left alone. */
export function copyCheckout(to: string): void {
  cpSync(root, to, {
    recursive: true,
    filter: (path) => dirname(path) !== root || !/^(node_modules|\..*|dist|.*\.tgz)$/.test(basename(path)),
  });
  symlinkSync(join(root, "node_modules"), join(to, "node_modules"));
}
