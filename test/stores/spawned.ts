import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SqliteOptions } from "../../src/sqlite.ts";

export interface SpawnOptions {
  readonly path: string;
  readonly runId: string;
  readonly store?: Omit<SqliteOptions, "clock">;
  readonly appendsMax?: number;
  /** Put before the program, such as strace and its arguments. */
  readonly under?: readonly string[];
  readonly uid?: number;
}

/** A process of test/stores/appending-process.ts. */
export class Spawned {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  #errors = "";
  #wake: () => void = () => {};
  #hasEnded = false;

  constructor({ path, runId, store = {}, appendsMax = Infinity, under = [], uid }: SpawnOptions) {
    const program = join(import.meta.dirname, "appending-process.ts");
    const [command, ...args] = [...under, process.execPath, program] as const;
    const identity = uid === undefined ? {} : { uid, gid: uid };
    this.child = spawn(command, [...args, path, runId, JSON.stringify(store), String(appendsMax)], {
      stdio: ["pipe", "pipe", "pipe"],
      ...identity,
    });
    this.child.stderr?.on("data", (piece: Buffer) => {
      this.#errors += piece.toString();
    });
    if (this.child.stdout === null) throw new Error("no output");
    createInterface(this.child.stdout).on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
    this.child.on("close", () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** The last seq that the process knows to be kept. */
  get acknowledged(): number {
    const last = this.lines.findLast((line) => line.startsWith("ok "));
    return last === undefined ? 0 : Number(last.slice(3));
  }

  get role(): string {
    return this.lines.findLast((line) => line.startsWith("role "))?.slice(5) ?? "none";
  }

  /** Resolves when `isTrue` holds; fails when the process ends before. */
  async until(isTrue: (spawned: Spawned) => boolean): Promise<void> {
    while (!isTrue(this)) {
      if (this.#hasEnded) {
        throw new Error(`the process ended: ${this.lines.slice(-5).join(" | ")} ${this.#errors.slice(-2_000)}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async kill(): Promise<void> {
    if (!this.#hasEnded) {
      const ended = once(this.child, "close");
      this.child.kill("SIGKILL");
      await ended;
    }
  }

  /** Ends it cleanly. */
  async stop(): Promise<void> {
    this.child.stdin?.end();
    await this.ended();
  }

  async ended(): Promise<{ readonly code: number | null; readonly errors: string }> {
    if (!this.#hasEnded) await once(this.child, "close");
    return { code: this.child.exitCode, errors: this.#errors };
  }
}
