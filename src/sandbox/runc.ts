import { execFile } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { PawlError } from "../core/errors.ts";
import type { SandboxLimits } from "../core/sandbox-contract.ts";
import { packed } from "./archive.ts";
import { artifactsOf, interpreter } from "./bubblewrap.ts";
import { CODE_PATH, inner, system, WORK } from "./box-command.ts";
import { boxProcess } from "./box-process.ts";
import type { BoxEngine } from "./engine.ts";

export interface RuncOptions {
  /** The program; default `runc`. `runsc` (gVisor) takes the same bundles and has a kernel of its own. */
  readonly program?: "runc" | "runsc";
  /** Its own options, before the command: `["--platform=systrap"]`. */
  readonly options?: readonly string[];
}

const UIDS = { from: 200_000, to: 260_000 } as const;

/** Containers of the Open Container Initiative without an image: needs root. With `runsc` the code meets another kernel. */
export function runc({ program = "runc", options = [] }: RuncOptions = {}): BoxEngine {
  const call = promisify(execFile);
  return {
    name: program,
    kinds: ["python", "shell"],
    hasEgress: false,
    missing: () => Promise.resolve(missingFor(program)),
    async run(kind, code, files, { limits, signal, env }) {
      const bundle = await mkdtemp(join(tmpdir(), "pawl-box-"));
      const id = `pawl-${randomBytes(8).toString("hex")}`;
      try {
        const { command, readable } = await interpreter(kind === "python" ? "python" : "shell");
        await mkdir(join(bundle, "rootfs"));
        await writeFile(join(bundle, "main"), code, { mode: 0o644 });
        await writeFile(
          join(bundle, "config.json"),
          JSON.stringify(configOf(bundle, [...command, CODE_PATH], readable, limits, env)),
        );
        const inputs = [packed(files)];
        const handed = program === "runc" ? ["--preserve-fds", "2"] : ["--pass-fd", "3:3", "--pass-fd", "4:4"];
        const box = await boxProcess({
          command: [program, ...options, "run", ...handed, "--bundle", bundle, id],
          env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" },
          inputs,
          archiveBytes: limits.fileBytes * 2 + 65_536,
          outputBytes: limits.outputBytes,
          wallMs: limits.wallMs,
          signal,
        });
        const reason = box.failed?.message ?? /^(?:runc|runsc)[^\n]*|level=error[^\n]*/m.exec(box.stderr)?.[0];
        if (box.failed !== undefined || (reason !== undefined && box.archive.length === 0 && box.cut.length === 0))
          throw new PawlError("SANDBOX_FAILED", `${program}: ${reason ?? "did not start"}.`);
        return { ...box, ...artifactsOf(box.archive, files, limits), ranIn: "box and group" };
      } finally {
        // A container whose starter was killed lives on until it is deleted.
        await call(program, [...options, "delete", "--force", id]).catch(() => undefined);
        await rm(bundle, { recursive: true, force: true });
      }
    },
  };
}

function missingFor(program: string): string | null {
  const isThere = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].some((folder) => existsSync(`${folder}/${program}`));
  if (!isThere) return `${program} not found`;
  return process.getuid?.() === 0 ? null : `${program} needs root here`;
}

/** A bundle's configuration: the system's programs read-only, folders in memory, no capability, no network, limits. */
function configOf(
  bundle: string,
  run: readonly string[],
  readable: readonly string[],
  limits: SandboxLimits,
  env: Readonly<Record<string, string>>,
): object {
  const id = randomInt(UIDS.from, UIDS.to);
  const transfer = { code: 0, filesIn: 3, filesOut: 4 };
  const script = inner({ limits, transfer, wayOut: null, boundsAddressSpace: true });
  const vars = { PATH: "/usr/bin:/bin", HOME: WORK, LANG: "C.UTF-8", TMPDIR: "/tmp", ...env };
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: id, gid: id },
      args: ["/bin/sh", "-c", script, "sh", ...run],
      env: Object.entries(vars).map(([name, value]) => `${name}=${value}`),
      cwd: WORK,
      capabilities: { bounding: [], effective: [], inheritable: [], permitted: [] },
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "box",
    mounts: mountsOf(bundle, readable, limits.fileBytes),
    linux: {
      namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
      resources: { memory: { limit: limits.memoryBytes }, pids: { limit: limits.processes } },
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        syscalls: [{ names: refusedCalls, action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
      },
      maskedPaths: ["/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/proc/timer_list", "/sys"],
      readonlyPaths: ["/proc/sys", "/proc/irq", "/proc/bus"],
    },
  };
}

function mountsOf(bundle: string, readable: readonly string[], fileBytes: number): readonly object[] {
  const memory = (path: string): object => ({
    destination: path,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", "mode=1777", `size=${fileBytes}`],
  });
  const bind = (source: string, destination = source): object => ({
    destination,
    type: "bind",
    source,
    options: ["rbind", "ro", "nosuid", "nodev"],
  });
  const exists = [...system, "/lib64", "/lib", "/bin", "/etc/alternatives", "/etc/ld.so.cache", ...readable].filter(
    existsSync,
  );
  return [
    { destination: "/proc", type: "proc", source: "proc" },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    memory("/dev/shm"),
    memory("/tmp"),
    memory(WORK),
    bind(join(bundle, "main"), CODE_PATH),
    ...exists.map((path) => bind(path)),
  ];
}

const refusedCalls = (
  "ptrace mount umount2 pivot_root unshare setns bpf userfaultfd keyctl add_key request_key perf_event_open io_uring_setup " +
  "io_uring_enter io_uring_register process_vm_readv process_vm_writev kexec_load init_module finit_module delete_module reboot"
).split(" ");
