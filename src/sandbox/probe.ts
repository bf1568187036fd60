import { randomBytes } from "node:crypto";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  isolations,
  type CodeKind,
  type Isolation,
  type SandboxLimits,
  type SandboxReport,
} from "../core/sandbox-contract.ts";
import type { BoxEngine, BoxRun } from "./engine.ts";

/** Small, so that passing a limit is quick. */
const limits: SandboxLimits = {
  wallMs: 10_000,
  cpuMs: 1_000,
  memoryBytes: 67_108_864,
  processes: 32,
  outputBytes: 16_384,
  fileBytes: 4_194_304,
};

interface Scene {
  /** A file of this machine that no box may read, and a port on which somebody listens. */
  readonly secret: string;
  readonly port: number;
  /** Stands in this process's environment while it is tried. */
  readonly marker: string;
}

/** Tries, by code inside, to reach what must be out of reach. What it says is what was seen, not what an engine claims. */
export async function probed(engine: BoxEngine, kind: CodeKind): Promise<SandboxReport> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-probe-"));
  const listener = createServer((socket) => void socket.end("reached"));
  try {
    const secret = join(folder, "secret.txt");
    await writeFile(secret, "reached", { mode: 0o644 });
    const port = await new Promise<number>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(0, "127.0.0.1", () => {
        const address = listener.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    const marker = `probe-${randomBytes(8).toString("hex")}`;
    process.env["PAWL_PROBE"] = marker;
    const report = await tried(engine, kind, { secret, port, marker });
    const isWritten = await access(`${secret}.left`).then(
      () => true,
      () => false,
    );
    return isWritten ? { ...report, enforces: { ...report.enforces, files: false } } : report;
  } finally {
    delete process.env["PAWL_PROBE"];
    listener.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function tried(engine: BoxEngine, kind: CodeKind, scene: Scene): Promise<SandboxReport> {
  const dialect = kind === "javascript" ? javascript : shell;
  const language = kind === "javascript" ? kind : "shell";
  const run = (code: string): Promise<BoxRun> =>
    engine.run(language, code, [], { limits, env: {}, proxy: null, signal: new AbortController().signal });
  const looks = await run(dialect.look(scene));
  const memory = await run(dialect.memory);
  const loop = await run(dialect.loop);
  const held = new Set(looks.stdout.split("\n").flatMap((line) => (line.startsWith("held:") ? [line.slice(5)] : [])));
  const isWhole = looks.stdout.includes("looked");
  if (isWhole && !memory.stdout.includes("reached")) held.add("memory");
  if (isWhole && loop.ms < limits.wallMs && (loop.exitCode !== 0 || loop.cut.length > 0)) held.add("cpu");
  const enforces = Object.fromEntries(isolations.map((what) => [what, held.has(what)])) as Record<Isolation, boolean>;
  const notes = isWhole ? [] : [`the probe did not end: ${looks.stderr.trim().slice(0, 300) || looks.cut.join(", ")}`];
  if (looks.ranIn === "box") notes.push("no control group: memory and processes are bounded one by one, not together");
  if (looks.ranIn === "process") notes.push("not inside of a bubblewrap box: the interpreter is the only wall");
  return { engine: engine.name, enforces, notes };
}

const shell = {
  look: ({ secret, port, marker }: Scene): string => `
cat '${secret}' 2>/dev/null | grep -q reached || echo held:files
(echo reached > '${secret}.left') 2>/dev/null
if ! (exec 5<>/dev/tcp/127.0.0.1/${port} && cat <&5) 2>/dev/null | grep -q reached && [ "$(grep -c : /proc/net/dev 2>/dev/null || echo 0)" -le 1 ]; then echo held:network; fi
env | grep -q '${marker}' || echo held:environment
others=0
for dir in /proc/[0-9]*; do [ -d "$dir" ] && others=$((others + 1)); done
[ $others -le 12 ] && ! kill -0 ${process.pid} 2>/dev/null && echo held:processes
if ! unshare -U true 2>/dev/null && ! grep '^Seccomp:' /proc/self/status 2>/dev/null | grep -q '[01]$'; then echo held:syscalls; fi
echo looked`,
  memory: `x=$(head -c 200000000 /dev/zero 2>/dev/null | tr '\\0' a); [ \${#x} -ge 200000000 ] && echo reached`,
  loop: "while true; do :; done",
};

const javascript = {
  look: (): string => `
const has = (name) => typeof globalThis[name] !== "undefined";
const reach = (code) => { try { return (0, eval)(code) !== undefined; } catch { return false; } };
const node = ["process", "require", "module", "Buffer", "Deno", "Bun"].some(has) || reach("this.constructor.constructor('return process')()");
let files = true; try { await import("node:fs"); files = false; } catch {}
if (files && !node) console.log("held:files");
if (!node && !["fetch", "XMLHttpRequest", "WebSocket"].some(has)) console.log("held:network");
if (!node) for (const what of ["environment", "processes", "syscalls"]) console.log("held:" + what);
console.log("looked");`,
  memory: `const all = []; for (let i = 0; i < 200; i++) all.push("x".repeat(1000000) + i); console.log("reached");`,
  loop: "while (true);",
};
