import { readFileSync } from "node:fs";

/** Version of this package: package.json is two folders up, from src and from dist alike. */
export function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  return manifest.version;
}
