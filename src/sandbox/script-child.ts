/**
 * A process that runs one piece of code in an interpreter that is a program of its own, then ends. It is started before it
 * is needed: argv names the interpreter and its library, descriptor 3 brings the code and the files, standard output and
 * error are the code's, descriptor 4 takes the files back. Nothing of Pawl is imported: it must be able to live in a box.
 */
import { readFileSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type * as JustBash from "just-bash";
import type * as QuickJs from "quickjs-wasi";

interface Task {
  readonly code: string;
  /** Contents in base64. */
  readonly files: readonly (readonly [path: string, content: string])[];
  readonly memoryBytes: number;
  readonly cpuMs: number;
}
interface Left {
  readonly exitCode: number;
  readonly files: readonly (readonly [path: string, content: string])[];
}

const TASK = 3;
const FILES = 4;
const STDOUT = 1;
const STDERR = 2;
/** Node's own exit code where nothing is left to do and the top level still waits. */
const NEVER_SETTLED = 13;

/** A pipe that is full is waited for: the reader has bounds, and ends this process where they are passed. */
function write(descriptor: number, text: string): void {
  for (let bytes = Buffer.from(text); bytes.length > 0;) {
    try {
      bytes = bytes.subarray(writeSync(descriptor, bytes));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

async function javascript(task: Task, library: string, wasm: string): Promise<Left> {
  const { QuickJS, EvalFlags } = (await import(library)) as typeof QuickJs;
  const files = new Map(task.files.map(([path, content]) => [path, Buffer.from(content, "base64")]));
  const vm = await QuickJS.create({
    wasm: await readFile(new URL(wasm)),
    memoryLimit: task.memoryBytes,
    timezoneOffset: 0,
  });
  const offer = (name: string, work: (...args: string[]) => string | undefined): void => {
    const made = vm.newFunction(name, (...args) => {
      const result = work(...args.map((arg) => arg.toString()));
      return result === undefined ? vm.undefined : vm.newString(result);
    });
    vm.setProp(vm.global, name, made);
  };
  offer("__write", (descriptor = "1", text = "") => {
    write(Number(descriptor) === STDERR ? STDERR : STDOUT, `${text}\n`);
    return undefined;
  });
  offer("readFile", (path = "") => {
    const found = files.get(path);
    if (found === undefined)
      throw new Error(`no file ${JSON.stringify(path)}. There are: ${[...files.keys()].join(", ") || "none"}`);
    return found.toString("utf8");
  });
  offer("writeFile", (path = "", text = "") => void files.set(path, Buffer.from(text)));
  offer("listFiles", () => JSON.stringify([...files.keys()]));
  vm.evalCode(PRELUDE, "<prelude>");
  let exitCode = 0;
  try {
    const promise = vm.evalCode(task.code, "main.js", EvalFlags.TYPE_MODULE);
    vm.executePendingJobs();
    const result = await vm.resolvePromise(promise);
    if ("error" in result) {
      vm.setProp(vm.global, "__error", result.error);
      vm.evalCode("console.error(__error)", "<report>");
      exitCode = 1;
    }
  } catch (error) {
    write(STDERR, `${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`);
    exitCode = 1;
  }
  return { exitCode, files: [...files].map(([path, content]) => [path, content.toString("base64")] as const) };
}

/** What scripts expect; the interpreter has no console, no timers, no modules. */
const PRELUDE = `(() => {
  const text = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return String(value.stack ? value + "\\n" + value.stack : value);
    try { return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value); }
    catch { return Object.prototype.toString.call(value); }
  };
  const to = (descriptor) => (...values) => __write(String(descriptor), values.map(text).join(" "));
  globalThis.console = { log: to(1), info: to(1), debug: to(1), warn: to(2), error: to(2) };
  globalThis.print = to(1);
  const list = listFiles;
  globalThis.listFiles = () => JSON.parse(list());
})()`;

const WORK = "/box/work";

async function shell(task: Task, library: string): Promise<Left> {
  const { Bash } = (await import(library)) as typeof JustBash;
  const files = Object.fromEntries(
    task.files.map(([path, content]) => [`${WORK}/${path}`, new Uint8Array(Buffer.from(content, "base64"))]),
  );
  const executionLimits = {
    maxLiveBytes: task.memoryBytes,
    maxFileSystemBytes: task.memoryBytes,
    maxExecutionTimeMs: task.cpuMs,
  };
  const bash = new Bash({ files, cwd: WORK, executionLimits });
  const { stdout, stderr, exitCode } = await bash.exec(task.code);
  write(STDOUT, stdout);
  write(STDERR, stderr);
  const left: (readonly [string, string])[] = [];
  for (const path of bash.fs.getAllPaths()) {
    if (!path.startsWith(`${WORK}/`) || !(await bash.fs.lstat(path)).isFile) continue;
    left.push([path.slice(WORK.length + 1), Buffer.from(await bash.fs.readFileBuffer(path)).toString("base64")]);
  }
  return { exitCode, files: left };
}

const [interpreter, library = "", wasm = ""] = process.argv.slice(2);
const task = JSON.parse(readFileSync(TASK, "utf8")) as Task;
process.once("exit", (code) => {
  if (code === NEVER_SETTLED) write(STDERR, "the code waits for something that will never come\n");
});
const left = interpreter === "javascript" ? await javascript(task, library, wasm) : await shell(task, library);
write(FILES, JSON.stringify(left.files));
process.exit(left.exitCode);
