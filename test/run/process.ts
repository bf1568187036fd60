import { type ChildProcess, spawn } from "node:child_process";

export interface ProcessRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly timeLimitMs: number;
  readonly env?: NodeJS.ProcessEnv;
}

export interface ProcessOutcome {
  /** null if it was ended by a signal or never started. */
  readonly exitCode: number | null;
  readonly timedOut: boolean;
  /** The end of standard output and standard error together. */
  readonly output: string;
}

const OUTPUT_CHARS_MAX = 64 * 1024;

const running = new Set<ChildProcess>();

/** Runs a program in a process group of its own; at its time limit the whole group is killed. Never throws. */
export async function runProcess(request: ProcessRequest): Promise<ProcessOutcome> {
  const child = spawn(request.command, request.args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: request.env ?? process.env,
  });
  running.add(child);
  let output = "";
  let timedOut = false;
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child);
  }, request.timeLimitMs);
  const exitCode = await new Promise<number | null>((resolve) => {
    child.once("error", (error) => {
      output += String(error);
      resolve(null);
    });
    child.once("close", resolve);
    // A grandchild that outlives its parent would hold the pipes, and "close" would never come.
    child.once("exit", () => killGroup(child));
  });
  clearTimeout(timer);
  running.delete(child);
  return { exitCode, timedOut, output };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // No such group: all of it has ended.
  }
}

export function killAll(): void {
  for (const child of running) killGroup(child);
}
