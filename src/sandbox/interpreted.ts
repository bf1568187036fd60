import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { PawlError } from "../core/errors.ts";
import type { CodeKind, SandboxFile, SandboxLimits } from "../core/sandbox-contract.ts";
import { changed, isInside } from "./archive.ts";
import { boxCommand } from "./box-command.ts";
import { boxProcess, type BoxOutcome } from "./box-process.ts";
import { boxGroup, type BoxGroup } from "./cgroup.ts";
import { bubblewrap } from "./bubblewrap.ts";
import type { BoxEngine, BoxOptions, BoxRun } from "./engine.ts";
import { seccompProgram } from "./seccomp.ts";

interface Interpreter {
  readonly name: string;
  readonly kind: CodeKind;
  readonly module: string;
  /** A file that the library does not find by itself. */
  readonly extra?: string;
  /** Folders above the library that it needs: itself, or all that is installed. */
  readonly reads: (library: string) => string;
  readonly hint: string;
}

/** What the process needs beside what the code may use. */
const NODE_BYTES = 160 * 1_048_576;
/** V8 and its threads. */
const NODE_PROCESSES = 24;
const script = `./script-child${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`;

interface Waiting {
  readonly give: (task: Uint8Array) => void;
  readonly outcome: Promise<BoxOutcome>;
  readonly group: BoxGroup | null;
  readonly stop: AbortController;
  readonly key: string;
}

/**
 * An interpreter that is a program of its own (WebAssembly, or TypeScript), in a process that is started before it is
 * needed and used once, inside a bubblewrap box where this machine has it.
 */
function interpreted(of: Interpreter): BoxEngine {
  let waiting: Promise<Waiting> | null = null;
  const take = async (limits: SandboxLimits): Promise<Waiting> => {
    const key = JSON.stringify(limits);
    const ready = waiting;
    waiting = null;
    const known = await ready;
    if (known?.key === key) return known;
    if (known !== null) await dismissed(known);
    return started(of, limits);
  };
  return {
    name: of.name,
    kinds: [of.kind],
    hasEgress: false,
    missing: () => Promise.resolve(located(of) === null ? of.hint : null),
    async run(_kind, code, files, options): Promise<BoxRun> {
      const child = await take(options.limits);
      waiting ??= started(of, options.limits);
      waiting.catch(() => undefined);
      return finished(of, child, code, files, options);
    },
    async close(): Promise<void> {
      const known = await waiting?.catch(() => null);
      waiting = null;
      if (known !== null && known !== undefined) await dismissed(known);
    },
  };
}

function located(of: Interpreter): { readonly library: string; readonly extra: string } | null {
  try {
    return {
      library: import.meta.resolve(of.module),
      extra: of.extra === undefined ? "" : import.meta.resolve(of.extra),
    };
  } catch {
    return null;
  }
}

async function started(of: Interpreter, limits: SandboxLimits): Promise<Waiting> {
  const found = located(of);
  if (found === null) throw new PawlError("SANDBOX_MISSING", of.hint);
  const file = fileURLToPath(new URL(script, import.meta.url));
  const node = realpathSync(process.execPath);
  const run = [
    node,
    `--max-old-space-size=${Math.ceil(limits.memoryBytes / 1_048_576)}`,
    "--no-warnings",
    file,
    of.kind,
    found.library,
    found.extra,
  ];
  const whole = {
    ...limits,
    memoryBytes: limits.memoryBytes + NODE_BYTES,
    processes: limits.processes + NODE_PROCESSES,
  };
  const isBoxed = (await bubblewrap.missing()) === null;
  const group = isBoxed ? await boxGroup(whole) : null;
  const seccomp = seccompProgram();
  const readable = [node, file, of.reads(fileURLToPath(found.library))];
  const plan = {
    run,
    limits: whole,
    group,
    readable,
    env: {},
    transfer: null,
    wayOut: null,
    boundsAddressSpace: false,
  };
  const task = Promise.withResolvers<Uint8Array>();
  const stop = new AbortController();
  const outcome = boxProcess({
    command: isBoxed ? boxCommand({ ...plan, seccomp: seccomp === null ? null : 5 }) : run,
    ...(isBoxed ? {} : { env: {} }),
    inputs: [task.promise],
    after: isBoxed && seccomp !== null ? [seccomp] : [],
    archiveBytes: limits.fileBytes * 2 + 65_536,
    outputBytes: limits.outputBytes,
    wallMs: limits.wallMs,
    signal: stop.signal,
  });
  return { give: task.resolve, outcome, group, stop, key: JSON.stringify(limits) };
}

async function finished(
  of: Interpreter,
  child: Waiting,
  code: string,
  files: readonly SandboxFile[],
  { limits, signal }: BoxOptions,
): Promise<BoxRun> {
  const onAbort = (): void => child.stop.abort();
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  const contents = files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString("base64")]);
  child.give(
    Buffer.from(JSON.stringify({ code, files: contents, memoryBytes: limits.memoryBytes, cpuMs: limits.cpuMs })),
  );
  const box = await child.outcome;
  signal.removeEventListener("abort", onAbort);
  const isGone = child.group === null || (await child.group.close());
  if (box.failed !== undefined || !isGone)
    throw new PawlError(
      "SANDBOX_FAILED",
      `${of.name}: ${box.failed?.message ?? "a process of the box would not end"}.`,
    );
  if (box.exitCode === 1 && box.stderr.startsWith("bwrap: "))
    throw new PawlError("SANDBOX_FAILED", `${of.name}: ${box.stderr.trim()}`);
  const left = leftFiles(box.archive);
  const inside = left?.filter(({ path }) => isInside(path)) ?? [];
  const skipped = left === null ? ["the files: it ended before it gave them"] : namesOutside(left);
  const ranIn = child.group === null ? "process" : "box and group";
  return { ...box, artifacts: changed(inside, files), skipped, ranIn };
}

function namesOutside(files: readonly SandboxFile[]): readonly string[] {
  const outside = files.filter(({ path }) => !isInside(path)).map(({ path }) => JSON.stringify(path.slice(0, 120)));
  return outside.length === 0 ? [] : [`names that leave the folder: ${outside.slice(0, 10).join(", ")}`];
}

function leftFiles(archive: Buffer): readonly SandboxFile[] | null {
  try {
    const files = JSON.parse(archive.toString("utf8")) as readonly (readonly [string, string])[];
    return files.map(([path, content]) => ({ path, bytes: new Uint8Array(Buffer.from(content, "base64")) }));
  } catch {
    return null;
  }
}

async function dismissed(child: Waiting): Promise<void> {
  child.stop.abort();
  await child.outcome;
  await child.group?.close();
}

/** JavaScript in QuickJS compiled to WebAssembly: no timers, no modules, no host objects; its memory has a hard end. */
export const quickJs: BoxEngine = interpreted({
  name: "quickjs-wasi",
  kind: "javascript",
  module: "quickjs-wasi",
  extra: "quickjs-wasi/quickjs.wasm",
  reads: (library) => dirname(dirname(library)),
  hint: "the package quickjs-wasi is not installed. npm install quickjs-wasi",
});

/** A shell without a real program behind it: its commands are TypeScript, its files are in memory. */
export const justBash: BoxEngine = interpreted({
  name: "just-bash",
  kind: "shell",
  module: "just-bash",
  reads: (library) => library.slice(0, library.lastIndexOf("/node_modules/") + "/node_modules".length),
  hint: "the package just-bash is not installed. npm install just-bash",
});
