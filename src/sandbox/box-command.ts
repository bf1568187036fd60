import { randomInt } from "node:crypto";
import type { SandboxLimits } from "../core/sandbox-contract.ts";
import type { BoxGroup } from "./cgroup.ts";

/** A file or folder of this machine that a box may read, at the same place. */
export type Readable = readonly string[];

export interface BoxPlan {
  /** What runs inside, as argv. */
  readonly run: readonly string[];
  readonly limits: SandboxLimits;
  readonly group: BoxGroup | null;
  readonly readable: Readable;
  readonly env: Readonly<Record<string, string>>;
  /** Bounds the address space of each process: not for what reserves gigabytes at its start (WASM, V8). */
  readonly boundsAddressSpace: boolean;
  /** Descriptor of the code, and of the archives that go in and out; null = the box only talks by its standard streams. */
  readonly transfer: { readonly code: number; readonly filesIn: number; readonly filesOut: number } | null;
  /** The proxy's socket, and the descriptor of the program that hands connections to it. */
  readonly wayOut: { readonly socket: string; readonly relay: number } | null;
  /** Descriptor of the list of refused system calls; null = there is none for this machine. */
  readonly seccomp: number | null;
}

const RELAY_PATH = "/box/relay";
const SOCKET_PATH = "/box/egress.sock";
const PROXY_PORT = 3128;

/** Where the code and its folder are, inside. */
export const CODE_PATH = "/box/main";
export const WORK = "/box/work";

/** Code runs as nobody that this machine knows, each time another: limits on processes are then its own. */
const UIDS = { from: 200_000, to: 260_000 } as const;

const APART =
  "--unshare-all --unshare-user --die-with-parent --new-session --clearenv --cap-drop ALL --uid 1000 --gid 1000 --hostname box";

export const system: readonly string[] = ["/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share", "/usr/libexec"];

/** The command that makes the box: into its group, no longer root, then bubblewrap with nothing of this machine but its programs. */
export function boxCommand(plan: BoxPlan): readonly string[] {
  const { limits } = plan;
  const bytes = String(limits.fileBytes);
  const binds = [...system, "/etc/alternatives", "/etc/ld.so.cache", ...plan.readable].flatMap((path) => [
    "--ro-bind-try",
    path,
    path,
  ]);
  const links = ["bin", "lib", "lib64", "sbin"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]);
  const proxy = `http://127.0.0.1:${PROXY_PORT}`;
  const out =
    plan.wayOut === null ? {} : { http_proxy: proxy, https_proxy: proxy, HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
  const env = { PATH: "/usr/bin:/bin", HOME: WORK, LANG: "C.UTF-8", TMPDIR: "/tmp", ...out, ...plan.env };
  return [
    ...outer(plan.group),
    "bwrap",
    ...APART.split(" "),
    ...`--proc /proc --dev /dev --size ${bytes} --tmpfs /dev/shm --size ${bytes} --tmpfs /tmp`.split(" "),
    ...`--size ${bytes} --tmpfs ${WORK}`.split(" "),
    ...binds,
    ...links,
    "--chdir",
    WORK,
    ...(plan.transfer === null ? [] : ["--ro-bind-data", String(plan.transfer.code), CODE_PATH]),
    ...(plan.wayOut === null
      ? []
      : ["--ro-bind-data", String(plan.wayOut.relay), RELAY_PATH, "--ro-bind", plan.wayOut.socket, SOCKET_PATH]),
    "--remount-ro",
    "/dev",
    "--remount-ro",
    "/",
    ...Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]),
    ...(plan.seccomp === null ? [] : ["--seccomp", String(plan.seccomp)]),
    "--",
    "/bin/sh",
    "-c",
    inner(plan),
    "sh",
    ...plan.run,
  ];
}

function outer(group: BoxGroup | null): readonly string[] {
  if (process.getuid?.() !== 0) return [];
  const enter = (group?.doors ?? []).map((door) => `echo 0 > '${door}' || exit 126`).join("; ");
  const id = String(randomInt(UIDS.from, UIDS.to));
  const leaveRoot = ["setpriv", `--reuid=${id}`, `--regid=${id}`, "--clear-groups", "--"];
  return enter === "" ? leaveRoot : ["/bin/sh", "-c", `${enter}; exec "$@"`, "sh", ...leaveRoot];
}

/** Unpacks the files, bounds and runs the code without our descriptors, packs what it left. */
export function inner(plan: Pick<BoxPlan, "limits" | "transfer" | "wayOut" | "boundsAddressSpace">): string {
  const { limits, transfer } = plan;
  const seconds = Math.max(1, Math.ceil(limits.cpuMs / 1_000));
  const bounds = [
    "ulimit -c 0",
    `ulimit -t ${seconds}`,
    `ulimit -f ${Math.ceil(limits.fileBytes / 512)}`,
    "ulimit -n 256",
    `ulimit -p ${limits.processes}`,
    ...(plan.boundsAddressSpace ? [`ulimit -v ${Math.ceil(limits.memoryBytes / 1_024)}`] : []),
  ].join("; ");
  if (transfer === null) return `${bounds}; exec "$@"`;
  const { filesIn, filesOut } = transfer;
  return [
    `tar -xf - -C ${WORK} --no-same-owner <&${filesIn} || exit 125`,
    `exec ${filesIn}<&-`,
    ...(plan.wayOut === null
      ? []
      : [
          `mkfifo /tmp/ready; python3 ${RELAY_PATH} ${SOCKET_PATH} ${PROXY_PORT} ${filesOut}>&- >/tmp/ready & read _ </tmp/ready; rm /tmp/ready`,
        ]),
    `( ${bounds}; exec "$@" ${filesOut}>&- )`,
    "code=$?",
    `tar -cf - -C ${WORK} . >&${filesOut} 2>/dev/null`,
    "exit $code",
  ].join("\n");
}
