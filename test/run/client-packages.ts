import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runProcess } from "./process.ts";

const folder = join(import.meta.dirname, "../clients");
const lock = join(folder, "package-lock.json");
/** A copy of the lock that was installed. */
const stamp = join(folder, "node_modules/.pawl-package-lock.json");
const INSTALL_TIME_LIMIT_MS = 300_000;

/** Why tests with other people's clients skip; false = they can run. */
export function clientsMissing(): false | string {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === readFileSync(lock, "utf8")) return false;
  return "needs other people's clients: ./pawl test --install";
}

/** Installs them once, where nobody can be asked (CI, or no terminal). Returns the lines to show. */
export async function installClients(isAskedFor: boolean): Promise<string[]> {
  if (clientsMissing() === false) return [];
  const line = "npm ci --prefix test/clients --no-audit --no-fund";
  const isAllowed = isAskedFor || process.env["CI"] === "true" || !process.stdin.isTTY;
  if (!isAllowed) return [`missing: other people's clients. To run the tests that need them: ${line}`];
  const [command = "", ...args] = line.split(" ");
  const { exitCode, output } = await runProcess({
    command,
    args,
    timeLimitMs: INSTALL_TIME_LIMIT_MS,
    env: process.env,
  });
  if (exitCode === 0) copyFileSync(lock, stamp);
  if (exitCode === 0) return ["installed: other people's clients (test/clients)"];
  return [`could not install other people's clients (${line}):`, output.trim().slice(-500)];
}
