import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Names this process so that another one on the same machine can tell whether it is gone: a text of machine and boot,
 * process namespace, process id and, where the system tells it, start time (ids are used again).
 */
export function processIdentity(): string {
  return JSON.stringify([machine(), process.pid, statOf(process.pid)?.startTime ?? null]);
}

/**
 * True when the process of that identity is known to be gone, and with it everything it was doing. False when it lives,
 * or when nobody can tell from here: another machine, another process namespace, no such information.
 */
export function isProcessGone(identity: string): boolean {
  const [where, pid, startTime] = JSON.parse(identity) as readonly [string, number, string | null];
  if (where !== machine()) return false;
  if (!isAlive(pid)) return true;
  const stat = statOf(pid);
  return stat !== null && (stat.isZombie || (startTime !== null && stat.startTime !== startTime));
}

/** Asks the kernel, not /proc, which may hide the processes of other users. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

let machineText: string | undefined;

function machine(): string {
  machineText ??= [hostname(), textOfFile("/proc/sys/kernel/random/boot_id"), namespaceOf()].join(" ");
  return machineText;
}

function namespaceOf(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

/** Linux: whether it only waits to be collected, and clock ticks from boot to its start. null = not told here. */
function statOf(pid: number): { readonly isZombie: boolean; readonly startTime: string } | null {
  const stat = textOfFile(`/proc/${pid}/stat`);
  // the name of the program, in brackets, may hold spaces and brackets
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const startTime = fields[18];
  return startTime === undefined ? null : { isZombie: state === "Z" || state === "X", startTime };
}

function textOfFile(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
