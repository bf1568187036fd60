import { type ChildProcessByStdio, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { after } from "node:test";

const root = join(import.meta.dirname, "../..");
const TIME_LIMIT_MS = 60_000;

export const program: readonly string[] = [process.execPath, "-C", "pawl-source", join(root, "src/cli/main.ts")];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<Ended>;
  /** Resolves when what was printed so far matches. */
  says(pattern: RegExp): Promise<string>;
}

/** A folder as a person's: commands run in it, with nothing of the environment that decides for them. */
export class Folder {
  readonly path: string;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), "pawl-cli-"));
    after(() => rmSync(this.path, { recursive: true, force: true }));
  }

  write(file: string, text: string | Uint8Array): string {
    const path = join(this.path, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), "utf8");
  }

  /** Resolves when a file that another process writes has this many lines. Its test's time limit is the bound. */
  async hasLines(file: string, count: number): Promise<void> {
    while (!existsSync(join(this.path, file)) || this.read(file).trim().split("\n").length < count) {
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
  }

  /** Lets a configuration in this folder import the package and zod. */
  link(): this {
    mkdirSync(join(this.path, "node_modules"), { recursive: true });
    symlinkSync(root, join(this.path, "node_modules/pawl"));
    symlinkSync(join(root, "node_modules/zod"), join(this.path, "node_modules/zod"));
    return this;
  }

  /** @param uid who types it; default whoever runs the tests */
  start(words: readonly string[], env: NodeJS.ProcessEnv = {}, uid?: number): Started {
    return this.#spawn([...program, ...words], env, uid);
  }

  /** Another program than that of the checkout. */
  startProgram(command: readonly string[], env: NodeJS.ProcessEnv = {}, uid?: number): Started {
    return this.#spawn(command, env, uid);
  }

  pawl(...words: string[]): Promise<Ended> {
    return this.start(words).ended;
  }

  /** The same at a terminal, whose input is what is written to the process. Needs the program `script`. */
  startAtTerminal(words: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
    const line = [...program, ...words].map((word) => `'${word}'`).join(" ");
    return this.#spawn(["script", "-qec", line, "/dev/null"], { TERM: "xterm", ...env });
  }

  /** A line that was printed to be pasted. */
  paste(line: string): Promise<Ended> {
    return this.#spawn(["sh", "-c", line], {}).ended;
  }

  #spawn([command = "", ...args]: readonly string[], env: NodeJS.ProcessEnv, uid?: number): Started {
    const child = spawn(command, args, {
      cwd: this.path,
      env: { ...cleanEnv(), ...env },
      stdio: ["pipe", "pipe", "pipe"],
      ...(uid !== undefined && { uid }),
    });
    const printed = { out: "", err: "" };
    const timer = setTimeout(() => child.kill("SIGKILL"), TIME_LIMIT_MS);
    child.stdout.on("data", (chunk: Buffer) => (printed.out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (printed.err += chunk.toString()));
    child.stdin.on("error", () => undefined);
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        resolve({ code, signal, ...printed });
      });
    });
    const says = (pattern: RegExp): Promise<string> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(printed.out + printed.err);
          if (found !== null) resolve(found[1] ?? found[0]);
        };
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        void ended.then(() => {
          look();
          reject(new Error(`it ended without saying ${String(pattern)}:\n${printed.out}${printed.err}`));
        }, reject);
        look();
      });
    return { child, ended, says };
  }
}

function cleanEnv(): NodeJS.ProcessEnv {
  const { PATH, HOME, NODE_COMPILE_CACHE, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, USER: "ada", NO_COLOR: "1" };
}

/** The commands of a text that begin with the program, as they would be pasted. */
export function commandsIn(text: string): readonly string[] {
  const start = program.slice(0, 3).join(" ");
  return text.split("\n").flatMap((line) => (line.trim().startsWith(start) ? [line.trim()] : []));
}

/** Id of the run that a text tells of. */
export function runIdIn(text: string): string {
  const found = /^run (\S+)/m.exec(text)?.[1];
  if (found === undefined) throw new Error(`no run id in:\n${text}`);
  return found;
}

/** A few documents with answers in known lines. */
export function writeDocs(folder: Folder, dir = "docs"): void {
  folder.write(
    `${dir}/orchard.md`,
    "# The orchard\n\nThe old pear tree was planted in 1887.\nApples are picked in September.\nThe gate is closed at nightfall.\n",
  );
  folder.write(
    `${dir}/bees.md`,
    "# Bees\n\nThe hives stand behind the barn.\nHoney is harvested twice a year, in June and August.\n",
  );
}
