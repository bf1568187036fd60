import { spawn } from "node:child_process";
import { existsSync, globSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

// The console is carried built by the package. In a checkout it is built by the first command that serves it, and again when
// its sources are newer than what was built.

const root = join(import.meta.dirname, "../..");
const source = join(root, "console");
const built = join(source, "dist");

/** What the built console is made of. */
const SOURCES = [
  "console/{src,public}/**/*",
  "console/index.html",
  "console/vite.config.ts",
  "src/client/**/*",
  "src/client.ts",
];
const OUTPUT_CHARS = 4_000;
const BUILD_MS_MAX = 120_000;

/**
 * Folder of the built console; built first where it is missing or older than its sources.
 * @param tell takes a line of progress
 * @returns null where there is none and it cannot be built here: the lines said why
 */
export async function consoleFolder(tell: (line: string) => void): Promise<string | null> {
  const isBuilt = existsSync(join(built, "index.html"));
  if (!existsSync(join(source, "src")) || (isBuilt && !isStale())) return isBuilt ? built : null;
  const vite = vitePath();
  if (vite === null) {
    tell("console: vite is not installed here, so it cannot be built. Run npm ci with development packages.");
    return isBuilt ? built : null;
  }
  const startedAt = performance.now();
  tell(isBuilt ? "console: its sources changed, building it ..." : "console: building it, once ...");
  const problem = await build(vite);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  tell(problem === null ? `console: built in ${seconds} s` : `console: not built after ${seconds} s: ${problem}`);
  return existsSync(join(built, "index.html")) ? built : null;
}

function isStale(): boolean {
  const builtMs = statSync(join(built, "index.html")).mtimeMs;
  return SOURCES.some((pattern) =>
    globSync(pattern, { cwd: root }).some((path) => statSync(join(root, path)).mtimeMs > builtMs),
  );
}

function vitePath(): string | null {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("vite/package.json")), "bin/vite.js");
  } catch {
    return null;
  }
}

/** Built beside, then put in place: who serves the folder meanwhile never finds half of it. Resolves with what went wrong. */
async function build(vite: string): Promise<string | null> {
  const beside = `${built}-${process.pid}`;
  const outcome = Promise.withResolvers<string | null>();
  const child = spawn(process.execPath, [vite, "build", source, "--outDir", beside, "--logLevel", "warn"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: BUILD_MS_MAX,
  });
  let output = "";
  const read = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS);
  };
  child.stdout.on("data", read);
  child.stderr.on("data", read);
  child.on("error", (error) => outcome.resolve(error.message));
  child.on("close", (code) =>
    outcome.resolve(code === 0 ? null : output.trim() || `vite ended with ${code ?? "no code"}`),
  );
  const problem = await outcome.promise;
  if (problem === null) {
    rmSync(built, { recursive: true, force: true });
    renameSync(beside, built);
  }
  rmSync(beside, { recursive: true, force: true });
  return problem;
}
