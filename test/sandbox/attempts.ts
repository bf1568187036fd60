import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { bubblewrap, justBash, quickJs, runc, sandbox, type BoxEngine } from "pawl/sandbox";
import type { Sandbox, SandboxResult } from "pawl";

/** What an attempt to leave the box came to; `held` is what must be true of all. */
interface Attempt {
  readonly engine: string;
  readonly kind: "python" | "shell" | "javascript";
  readonly name: string;
  readonly held: boolean;
  readonly seen: string;
}

const MB = 1_048_576;
const limits = { wallMs: 20_000, cpuMs: 1_000, memoryBytes: 256 * MB, processes: 64, fileBytes: 16 * MB };
const SECRET = "top-secret-4711";

interface Place {
  readonly folder: string;
  readonly port: number;
}
type Judge = (result: SandboxResult, place: Place) => boolean;
type Try = readonly [name: string, code: (place: Place) => string, judge: Judge];

const says =
  (text: string): Judge =>
  ({ stdout }) =>
    stdout.includes(text);
const silent: Judge = ({ stdout, stderr }) => !`${stdout}${stderr}`.includes(SECRET);
/** It ended by itself or was ended, long before its wall time would have passed twice. */
const ended: Judge = ({ exitCode, cut, ms }) => (exitCode !== 0 || cut.length > 0) && ms < 2 * limits.wallMs;

const bounded: Judge = ({ stdout, exitCode, cut }) => stdout.length <= 300_000 && (exitCode !== 0 || cut.length > 0);

const shell: readonly Try[] = [
  [
    "read",
    ({ folder }) => `cat ${folder}/secret.txt; cat /etc/shadow ${homedir()}/.ssh/* /proc/1/root${folder}/secret.txt`,
    silent,
  ],
  [
    "write",
    ({ folder }) => `echo x > ${folder}/left; echo x > /usr/left; echo x > /etc/left`,
    (_, { folder }) => !existsSync(join(folder, "left")) && !existsSync("/usr/left") && !existsSync("/etc/left"),
  ],
  ["network", ({ port }) => `(exec 5<>/dev/tcp/127.0.0.1/${port} && cat <&5)`, silent],
  ["environment", () => "env; export; cat /proc/*/environ | tr '\\0' '\\n'", silent],
  [
    "proc",
    () =>
      `cat /proc/${process.pid}/environ /proc/${process.pid}/cmdline; kill -9 ${process.pid}; ls /proc/*/root/tmp/*`,
    silent,
  ],
  [
    "links",
    ({ folder }) =>
      `ln -s ${folder}/secret.txt l; cat l; ln -s ../../../../../..${folder} d; cat d/secret.txt; cat given`,
    ({ stdout, artifacts }) =>
      !stdout.includes(SECRET) && artifacts.every(({ bytes }) => !Buffer.from(bytes).includes(SECRET)),
  ],
  [
    "fork bomb",
    () => "n=0; while [ $n -lt 400 ]; do sleep 3.14159 & n=$((n + 1)); done; wait; echo all",
    (result) => !says("all")(result, { folder: "", port: 0 }) || result.stderr.includes("resource"),
  ],
  [
    "memory",
    () => "x=$(head -c 2000000000 /dev/zero | tr '\\0' a); echo ${#x}",
    (result) => !says("2000000000")(result, { folder: "", port: 0 }),
  ],
  ["loop", () => "while :; do :; done", ended],
  ["flood", () => "yes flood", bounded],
  [
    "files",
    () =>
      "head -c 200000000 /dev/zero > big; head -c 200000000 /dev/zero > /tmp/big; head -c 200000000 /dev/zero > /dev/shm/big; ls -l",
    ({ artifacts }) => artifacts.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) <= limits.fileBytes,
  ],
  [
    "zip slip",
    () =>
      "mkdir -p a; tar -cf x.tar --transform 's,^,../../../tmp/,' /usr/bin/env 2>/dev/null; touch '../../up'; echo ok > a/ok",
    ({ artifacts }) => artifacts.every(({ path }) => !path.includes("..") && !path.startsWith("/")),
  ],
  [
    "swapped link",
    ({ folder }) =>
      `echo fine > s; (while :; do ln -sf ${folder}/secret.txt s; echo fine > t; mv t s; done) & sleep 0.3`,
    ({ artifacts, stdout }) =>
      !stdout.includes(SECRET) && artifacts.every(({ bytes }) => !Buffer.from(bytes).includes(SECRET)),
  ],
];

const python: readonly Try[] = [
  [
    "read",
    ({ folder }) =>
      `import os\nfor p in ["${folder}/secret.txt", "/etc/shadow", "/proc/1/environ"]:\n  try: print(open(p).read())\n  except OSError as e: print(e)`,
    silent,
  ],
  [
    "write",
    ({ folder }) =>
      `import os\nfor p in ["${folder}/left", "/usr/left", "/dev/left"]:\n  try: open(p, "w").write("x"); print("wrote", p)\n  except OSError as e: print(e)`,
    (result, { folder }) => !result.stdout.includes("wrote") && !existsSync(join(folder, "left")),
  ],
  [
    "network",
    ({ port }) =>
      `import socket\ntry:\n  s = socket.create_connection(("127.0.0.1", ${port}), 2); print(s.recv(100))\nexcept OSError as e: print(e)`,
    silent,
  ],
  ["environment", () => "import os; print(dict(os.environ))", silent],
  [
    "fork bomb",
    () =>
      "import os, time\nn = 0\ntry:\n  while n < 400:\n    if os.fork() == 0:\n      time.sleep(3.14159); os._exit(0)\n    n += 1\n  print('all')\nexcept OSError as e: print(n, e)",
    (result) => !result.stdout.includes("all"),
  ],
  ["memory", () => "x = bytearray(2 * 1024 ** 3); print('all', len(x))", (result) => !result.stdout.includes("all")],
  [
    "memory of many",
    () =>
      "import os, time\nfor i in range(20):\n  if os.fork() == 0:\n    x = bytearray(200 * 1024 ** 2); time.sleep(1); open(f'/tmp/{i}', 'w').write('y'); os._exit(0)\ntime.sleep(4); print(len([f for f in os.listdir('/tmp')]))",
    ({ stdout }) => process.getuid?.() !== 0 || Number(stdout.trim() || 0) < 5,
  ],
  ["loop", () => "while True: pass", ended],
  [
    "namespaces",
    () =>
      "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nprint([libc.unshare(0x10000000), libc.syscall(321, 0, 0, 0), libc.ptrace(0, 0, 0, 0)])",
    says("[-1, -1, -1]"),
  ],
  ["slow pattern", () => "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')", ended],
];

const javascript: readonly Try[] = [
  [
    "host objects",
    () =>
      "console.log(typeof process, typeof require, typeof fetch, typeof Buffer, typeof WebAssembly); try { console.log(this.constructor.constructor('return process')().env) } catch (e) { console.log('none') }",
    ({ stdout, stderr }) => !`${stdout}${stderr}`.includes("object") && !stdout.includes(SECRET),
  ],
  [
    "read",
    ({ folder }) =>
      `try { console.log(readFile("${folder}/secret.txt")) } catch (e) { console.log("none") }; try { console.log(readFile("../../secret.txt")) } catch (e) { console.log("none") }`,
    silent,
  ],
  ["modules", () => "try { console.log(await import('node:fs')) } catch (e) { console.log('none') }", says("none")],
  [
    "memory",
    () =>
      "const all = []; try { while (true) all.push('x'.repeat(1e6) + all.length) } catch (e) { console.log('stopped', all.length) }",
    ({ stdout, exitCode }) => exitCode !== 0 || Number(stdout.split(" ")[1] ?? 0) < 400,
  ],
  ["loop", () => "while (true);", ended],
  ["loop of promises", () => "const again = () => Promise.resolve().then(again); await again()", ended],
  ["slow pattern", () => "/(a+)+$/.test('a'.repeat(60) + 'b')", ended],
  ["flood", () => "while (true) console.log('flood'.repeat(1000))", bounded],
  [
    "depth",
    () => "const f = () => f(); try { f() } catch (e) { console.log('stopped') }",
    ({ stdout, exitCode }) => exitCode !== 0 || stdout.includes("stopped"),
  ],
  [
    "odd files",
    () => "for (const name of ['../up', '/etc/x', 'a/../../b', '']) writeFile(name, 'x')",
    ({ artifacts }, { folder }) =>
      !existsSync(join(folder, "..", "up")) && !existsSync("/etc/x") && artifacts.length === 0,
  ],
];

async function all(
  engine: string,
  box: Sandbox,
  kind: Attempt["kind"],
  tries: readonly Try[],
  place: Place,
): Promise<Attempt[]> {
  const attempts = tries.map(async ([name, code, judge]): Promise<Attempt> => {
    const result = await box.run(
      kind,
      code(place),
      kind === "shell" ? [{ path: "given", bytes: Buffer.from("given") }] : [],
      { limits, signal: AbortSignal.timeout(60_000) },
    );
    const { exitCode, stdout, stderr, cut, artifacts } = result;
    const seen = JSON.stringify({
      exitCode,
      cut,
      stdout: stdout.slice(0, 200),
      stderr: stderr.slice(-200),
      artifacts: artifacts.map(({ path }) => path),
    });
    return { engine, kind, name, held: judge(result, place), seen };
  });
  return Promise.all(attempts);
}

/** A process with its own user runs this: it must hold for root and for anybody. */
const folder = mkdtempSync(join(tmpdir(), "pawl-box-"));
writeFileSync(join(folder, "secret.txt"), SECRET, { mode: 0o644 });
symlinkSync(join(folder, "secret.txt"), join(folder, "link"));
process.env["CANARY"] = SECRET;
const server: Server = createServer((socket) => void socket.end(SECRET));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
const place = { folder, port: typeof address === "object" && address !== null ? address.port : 0 };
const attempts: Attempt[] = [];
const known: Record<string, BoxEngine> = { bubblewrap, "quickjs-wasi": quickJs, "just-bash": justBash, runc: runc() };
for (const [name, engine] of Object.entries(known)) {
  const box = await sandbox({ engines: [engine] });
  for (const [kind, tries] of [
    ["shell", shell],
    ["python", python],
    ["javascript", javascript],
  ] as const)
    if (box.reports[kind] !== undefined) attempts.push(...(await all(name, box, kind, tries, place)));
  await box.close();
}
server.close();
rmSync(folder, { recursive: true, force: true });
process.stdout.write(JSON.stringify(attempts));
