import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

/** What goes in by file descriptor, and how much comes out of each. */
export interface BoxProcess {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Written to descriptors 3, 4, … in this order. The clock starts when the last of them is there. */
  readonly inputs: readonly (Uint8Array | Promise<Uint8Array>)[];
  /** Read from the descriptor after the inputs. */
  readonly archiveBytes: number;
  /** Written to the descriptors after that one. */
  readonly after?: readonly Uint8Array[];
  readonly outputBytes: number;
  readonly wallMs: number;
  readonly signal: AbortSignal;
}

export interface BoxOutcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly archive: Buffer;
  readonly cut: readonly string[];
  readonly ms: number;
  /** Set where the engine could not be started. */
  readonly failed?: Error;
}

/** What is still in a pipe when its writer has ended is read in this time. */
const LEFTOVER_MS = 1_000;
/** A flood of so many times what is kept ends the box. */
const FLOOD = 16;

/** Starts a box, feeds it, reads what comes out within bounds, and kills it when its time is over. Never throws. */
export async function boxProcess(box: BoxProcess): Promise<BoxOutcome> {
  const began = performance.now();
  const cut: string[] = [];
  const [command = "", ...args] = box.command;
  const { after = [] } = box;
  const pipes = box.inputs.length + 1 + after.length;
  const child = spawn(command, args, {
    env: box.env ?? { PATH: "/usr/bin:/bin" },
    stdio: ["ignore", "pipe", "pipe", ...Array.from({ length: pipes }, () => "pipe" as const)],
  });
  const kill = (why: string): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    if (!cut.includes(why)) cut.push(why);
    child.kill("SIGKILL");
  };
  const onAbort = (): void => kill("ended by its caller");
  let timer: NodeJS.Timeout | undefined;
  let told = began;
  const onReady = (): void => {
    told = performance.now();
    timer = setTimeout(() => kill(`ended after ${box.wallMs} ms`), box.wallMs);
  };
  box.signal.addEventListener("abort", onAbort);
  if (box.signal.aborted) onAbort();
  for (const [i, bytes] of after.entries()) feed(child.stdio[4 + box.inputs.length + i], bytes);
  const fed = Promise.all(box.inputs.map(async (bytes, i) => feed(child.stdio[3 + i], await bytes))).then(onReady);
  const flood = (): void => kill("ended for its flood of output");
  const stdout = bounded(child.stdout, box.outputBytes, "standard output", cut, flood);
  const stderr = bounded(child.stderr, box.outputBytes, "standard error", cut, flood);
  const archive = bounded(child.stdio[3 + box.inputs.length], box.archiveBytes, "the artifacts", cut, flood);
  const failed = await ended(child);
  if (box.inputs.every((input) => !(input instanceof Promise))) await fed;
  clearTimeout(timer);
  box.signal.removeEventListener("abort", onAbort);
  const outcome = {
    exitCode: child.exitCode,
    stdout: (await stdout).toString("utf8"),
    stderr: (await stderr).toString("utf8"),
    archive: await archive,
    cut,
    ms: performance.now() - told,
  };
  return failed === null ? outcome : { ...outcome, failed };
}

function ended(child: ChildProcess): Promise<Error | null> {
  return new Promise((resolve) => {
    child.once("error", resolve);
    child.once("close", () => resolve(null));
    // Something that the box left may hold its pipes open.
    child.once("exit", () => {
      const timer = setTimeout(() => child.stdio.forEach((stream) => stream?.destroy()), LEFTOVER_MS);
      child.once("close", () => clearTimeout(timer));
    });
  });
}

/** A box that ends before it has read its input is no error of ours. */
function feed(stream: Readable | Writable | null | undefined, bytes: Uint8Array): void {
  if (stream === null || stream === undefined || !("write" in stream)) return;
  stream.on("error", () => undefined);
  stream.end(bytes);
}

async function bounded(
  stream: Readable | Writable | null | undefined,
  bytesMax: number,
  what: string,
  cut: string[],
  flood: () => void,
): Promise<Buffer> {
  if (stream === null || stream === undefined || !("read" in stream) || bytesMax === 0) return Buffer.alloc(0);
  const kept: Buffer[] = [];
  let bytes = 0;
  stream.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => {
    if (bytes < bytesMax) kept.push(chunk.subarray(0, bytesMax - bytes));
    bytes += chunk.length;
    if (bytes > bytesMax * FLOOD) flood();
  });
  if (!stream.closed) await once(stream, "close");
  if (bytes > bytesMax) cut.push(`${what}: ${bytesMax} of at least ${bytes} bytes are kept`);
  return Buffer.concat(kept);
}
