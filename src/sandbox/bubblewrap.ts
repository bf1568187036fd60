import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { PawlError } from "../core/errors.ts";
import type { SandboxFile, SandboxLimits } from "../core/sandbox-contract.ts";
import { changed, packed, unpacked } from "./archive.ts";
import { boxCommand, CODE_PATH } from "./box-command.ts";
import { boxProcess } from "./box-process.ts";
import { boxGroup } from "./cgroup.ts";
import { relay } from "./egress.ts";
import type { BoxEngine, BoxRun } from "./engine.ts";
import { seccompProgram } from "./seccomp.ts";

/** An archive holds more than its files: a head for each, and padding. */
const ARCHIVE_FACTOR = 2;

/** Real Python and bash, each run in a box of its own that is made in some 10 ms and leaves nothing. */
export const bubblewrap: BoxEngine = {
  name: "bubblewrap",
  kinds: ["python", "shell"],
  hasEgress: true,
  missing: () => Promise.resolve(missingPrograms()),
  async run(kind, code, files, { limits, signal, env, proxy }): Promise<BoxRun> {
    const group = await boxGroup(limits);
    const seccomp = seccompProgram();
    const { command, readable } = await interpreter(kind === "python" ? "python" : "shell");
    const inputs = [Buffer.from(code), packed(files), ...(proxy === null ? [] : [Buffer.from(relay)])];
    const filesOut = 3 + inputs.length;
    const transfer = { code: 3, filesIn: 4, filesOut };
    const wayOut = proxy === null ? null : { socket: proxy, relay: 5 };
    const plan = { run: [...command, CODE_PATH], limits, group, readable, env, transfer, wayOut };
    const box = await boxProcess({
      command: boxCommand({ ...plan, boundsAddressSpace: true, seccomp: seccomp === null ? null : filesOut + 1 }),
      inputs,
      archiveBytes: limits.fileBytes * ARCHIVE_FACTOR + 65_536,
      after: seccomp === null ? [] : [seccomp],
      outputBytes: limits.outputBytes,
      wallMs: limits.wallMs,
      signal,
    });
    if (group !== null && !(await group.close())) throw failed("a process of the box would not end");
    if (box.failed !== undefined) throw failed(box.failed.message);
    if (box.exitCode === 1 && box.stderr.startsWith("bwrap: ")) throw failed(box.stderr.trim());
    return { ...box, ...artifactsOf(box.archive, files, limits), ranIn: group === null ? "box" : "box and group" };
  },
};

export function artifactsOf(
  archive: Buffer,
  given: readonly SandboxFile[],
  limits: SandboxLimits,
): Pick<BoxRun, "artifacts" | "skipped"> {
  const { files, skipped } = unpacked(archive);
  const artifacts: SandboxFile[] = [];
  let bytes = 0;
  for (const file of changed(files, given)) {
    bytes += file.bytes.byteLength;
    if (bytes > limits.fileBytes)
      return { artifacts, skipped: [...skipped, `${file.path} and what follows: too large together`] };
    artifacts.push(file);
  }
  return { artifacts, skipped };
}

function failed(text: string): PawlError {
  return new PawlError(
    "SANDBOX_FAILED",
    `bubblewrap: ${text}. Run \`pawl doctor\` to see what this machine's sandbox can do.`,
  );
}

function missingPrograms(): string | null {
  const needed = ["bwrap", "tar", ...(process.getuid?.() === 0 ? ["setpriv"] : [])];
  const lacking = needed.filter((name) => !["/usr/bin", "/bin"].some((folder) => existsSync(`${folder}/${name}`)));
  return lacking.length === 0
    ? null
    : `${lacking.join(", ")} not found in /usr/bin. On Debian: apt-get install bubblewrap`;
}

interface Interpreter {
  readonly command: readonly string[];
  readonly readable: readonly string[];
}
let python: Promise<Interpreter> | undefined;

/** The system's Python, else the one in PATH with the folder it was installed to. */
export async function interpreter(kind: "python" | "shell"): Promise<Interpreter> {
  if (kind === "shell") return { command: [existsSync("/usr/bin/bash") ? "bash" : "sh"], readable: [] };
  python ??= existsSync("/usr/bin/python3")
    ? Promise.resolve({ command: ["/usr/bin/python3", "-B"], readable: [] })
    : foundPython();
  return python;
}

async function foundPython(): Promise<Interpreter> {
  const ask = ["-c", "import sys; print(sys.base_prefix); print(sys.executable)"];
  const { stdout } = await promisify(execFile)("python3", ask).catch(() => {
    python = undefined;
    throw new PawlError("SANDBOX_MISSING", "no python3 on this machine. On Debian: apt-get install python3");
  });
  const [prefix = "", executable = ""] = stdout.trim().split("\n");
  return { command: [executable, "-B"], readable: [prefix, executable] };
}
