import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { skipBecause, skipWithout } from "../run/system-packages.ts";

/** For the `skip` option of a test: false where strace is there and may trace, else the reason to show. */
export function skipWithoutTracing(): false | string {
  const missing = skipWithout("strace");
  if (missing !== false) return missing;
  const probe = spawnSync("strace", ["-o", "/dev/null", process.execPath, "--version"], { encoding: "utf8" });
  return skipBecause(
    probe.status === 0 ? false : `needs strace, which may trace nothing here: ${probe.stderr.trim().slice(0, 200)}`,
  );
}

/** What strace does to a victim. */
export interface Tracing {
  /** `attach` leaves the victim's start alone, which is faster; `launch` needs no right to attach to another process. */
  readonly how: "attach" | "launch";
  /** Only calls on these files are counted and hit; empty = all. */
  readonly files: readonly string[];
  readonly syscalls: readonly string[];
  /** `signal=SIGKILL:when=7`, `error=EIO:when=5`, …; null = only look. Counted for each thread. */
  readonly inject: string | null;
  /** Where strace writes what it saw. */
  readonly log: string;
}

function straceArgs({ files, syscalls, inject, log }: Tracing): readonly string[] {
  const set = syscalls.join(",");
  const seen = ["-f", "-y", "-s", "0", "-o", log, "-e", "signal=none", "-e", `trace=${set}`];
  return [
    ...seen,
    ...files.flatMap((file) => ["-P", file]),
    ...(inject === null ? [] : ["-e", `inject=${set}:${inject}`]),
  ];
}

/** The command to run a program, under strace from its first instruction where it is not attached later. */
export function tracedCommand(command: readonly string[], tracing: Tracing | null): readonly string[] {
  return tracing?.how === "launch" ? ["strace", ...straceArgs(tracing), ...command] : command;
}

/**
 * Attaches strace to all threads of a running process. Not with --seccomp-bpf: there, an injected signal never comes.
 * @returns when it is attached: a promise of its end, which comes with the process's, its log then whole
 * @throws when strace may not attach
 */
export async function attachTracer(pid: number, tracing: Tracing): Promise<{ readonly ended: Promise<void> }> {
  const tracer = spawn("strace", [...straceArgs(tracing), "-p", String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  const attached = new Promise<void>((resolve) => {
    tracer.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (/ attached/.test(said)) resolve();
    });
  });
  const ended = once(tracer, "close").then(() => undefined);
  const failed = ended.then(() => {
    if (!/ attached/.test(said)) throw new Error(`${COULD_NOT_ATTACH} ${pid}: ${said.trim().slice(0, 300)}`);
  });
  await Promise.race([attached, failed]);
  return { ended };
}

const COULD_NOT_ATTACH = "strace could not attach to process";

export function isAttachRefused(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith(COULD_NOT_ATTACH);
}
