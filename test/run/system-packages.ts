import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { runProcess } from "./process.ts";

interface SystemPackage {
  /** The program that tests look for in PATH. */
  readonly command: string;
  /** Its Debian package. */
  readonly name: string;
  /** Folders of tests that need it. */
  readonly usedBy: readonly string[];
}

const SYSTEM_PACKAGES: readonly SystemPackage[] = [
  { command: "strace", name: "strace", usedBy: ["test/crash", "test/stores"] },
  { command: "redis-server", name: "redis-server", usedBy: ["test/stores", "test/dispatch"] },
  // its programs are not in PATH; this one comes with it
  { command: "pg_ctlcluster", name: "postgresql", usedBy: ["test/stores"] },
  { command: "pgbouncer", name: "pgbouncer", usedBy: ["test/stores"] },
  { command: "bwrap", name: "bubblewrap", usedBy: ["test/sandbox"] },
  { command: "runc", name: "runc", usedBy: ["test/sandbox"] },
  { command: "python3", name: "python3-minimal", usedBy: ["test/sandbox"] },
  { command: "chromium", name: "chromium", usedBy: ["test/console"] },
];

const INSTALL_TIME_LIMIT_MS = 300_000;

const APT_ARGS = ["-o", "DPkg::Lock::Timeout=120", "-y", "-qq"];

/** True if `command` is in PATH. */
export function hasCommand(command: string): boolean {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .some((folder) => folder !== "" && existsSync(join(folder, command)));
}

/** For the `skip` option of a test: false if the program is there, else the reason to show. */
export const skipWithout = (command: string): false | string =>
  skipBecause(hasCommand(command) ? false : `needs ${command}, which is not installed`);

/**
 * The reason why a test skips. In CI nothing skips for want of a program: the test file fails, so that a green build says
 * that the tests ran.
 */
export function skipBecause(missing: false | string): false | string {
  if (missing !== false && process.env["CI"] === "true")
    throw new Error(`${missing}. In CI the tests that need it must run: install it, or unset CI to skip them.`);
  return missing;
}

/**
 * Installs what the tests in `folders` miss, where nobody can be asked (CI, or no terminal) or where it was asked for;
 * else the tests that need it skip. Returns the lines to show.
 */
export async function installMissing(folders: readonly string[], isAskedFor: boolean): Promise<string[]> {
  const missing = SYSTEM_PACKAGES.filter(
    ({ command, usedBy }) => usedBy.some((folder) => folders.includes(folder)) && !hasCommand(command),
  );
  if (missing.length === 0) return [];
  const names = missing.map(({ name }) => name);
  const line = `apt-get install --no-install-recommends ${names.join(" ")}`;
  const isRoot = process.getuid?.() === 0;
  const isAllowed = isAskedFor || process.env["CI"] === "true" || !process.stdin.isTTY;
  if (!isRoot || !isAllowed || !hasCommand("apt-get"))
    return [`missing: ${names.join(", ")}. To run the tests that need it: ${isRoot ? line : `sudo ${line}`}`];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]): Promise<{ exitCode: number | null; output: string }> =>
    runProcess({ command: "apt-get", args: [...APT_ARGS, ...args], timeLimitMs: INSTALL_TIME_LIMIT_MS, env });
  await apt("update");
  const { exitCode, output } = await apt("install", "--no-install-recommends", ...names);
  return exitCode === 0
    ? [`installed: ${names.join(", ")}`]
    : [`could not install ${names.join(", ")} (${line}):`, output.trim().slice(-500)];
}
