import { randomBytes } from "node:crypto";
import { access, constants, mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { SandboxLimits } from "../core/sandbox-contract.ts";

/** A control group for one box: all its processes together are bounded, and none can leave it. */
export interface BoxGroup {
  /** A process that writes 0 into each is in. */
  readonly doors: readonly string[];
  /** Ends whatever is still in it. False = something would not go. */
  close(): Promise<boolean>;
}

const ROOT = "/sys/fs/cgroup";

type Make = (folder: string, limits: Pick<SandboxLimits, "memoryBytes" | "processes">) => Promise<readonly string[]>;

/** Version 2, one hierarchy: needs its controllers handed down to children. */
const unified: Make = async (name, limits) => {
  const handed = await readFile(join(ROOT, "cgroup.subtree_control"), "utf8");
  if (!/\bmemory\b/.test(handed) || !/\bpids\b/.test(handed)) throw new Error("no controllers");
  const folder = await made(ROOT, name);
  await writeFile(join(folder, "memory.max"), String(limits.memoryBytes));
  await writeFile(join(folder, "memory.swap.max"), "0").catch(() => undefined);
  await writeFile(join(folder, "pids.max"), String(limits.processes));
  return [folder];
};

/** Version 1, a hierarchy each. */
const separate: Make = async (name, limits) => {
  const memory = await made(join(ROOT, "memory"), name);
  const pids = await made(join(ROOT, "pids"), name);
  await writeFile(join(memory, "memory.limit_in_bytes"), String(limits.memoryBytes));
  await writeFile(join(pids, "pids.max"), String(limits.processes));
  return [memory, pids];
};

async function made(parent: string, name: string): Promise<string> {
  await access(parent, constants.W_OK);
  const folder = join(parent, name);
  await mkdir(folder);
  return folder;
}

/** null where this process may not make groups: then each process of a box is bounded alone. */
export async function boxGroup(limits: Pick<SandboxLimits, "memoryBytes" | "processes">): Promise<BoxGroup | null> {
  const name = `pawl-${randomBytes(8).toString("hex")}`;
  for (const make of [unified, separate]) {
    const folders = await make(name, limits).catch(() => null);
    if (folders !== null)
      return { doors: folders.map((folder) => join(folder, "cgroup.procs")), close: () => closed(folders) };
  }
  await Promise.all(
    [ROOT, join(ROOT, "memory"), join(ROOT, "pids")].map((parent) => rmdir(join(parent, name)).catch(() => undefined)),
  );
  return null;
}

const CLOSE_TRIES = 50;

async function closed(folders: readonly string[]): Promise<boolean> {
  for (let n = 0; n < CLOSE_TRIES; n++) {
    const left = await Promise.all(folders.map(removed));
    if (left.every(Boolean)) return true;
    await setTimeout(10);
  }
  return false;
}

async function removed(folder: string): Promise<boolean> {
  await writeFile(join(folder, "cgroup.kill"), "1").catch(() => undefined);
  const inside = await readFile(join(folder, "cgroup.procs"), "utf8").catch(() => "");
  for (const pid of inside.split("\n").map(Number)) if (pid > 1) killed(pid);
  return rmdir(folder).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code === "ENOENT",
  );
}

function killed(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
