import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { actsOf, type Act, type Halt } from "./acts.ts";
import { counterOf } from "./counter-client.ts";

interface Halted extends Halt {
  readonly trial: string;
}

/** The counter's process, and its record. One serves all trials of a sweep. */
export class CounterProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #file: string;
  readonly #halts = new Map<string, () => void>();

  private constructor(child: ChildProcess, file: string, port: number) {
    this.#child = child;
    this.#file = file;
    this.port = port;
  }

  /** @param folder where its record goes */
  static async start(folder: string): Promise<CounterProcess> {
    const file = join(folder, "acts.ndjson");
    const script = join(import.meta.dirname, "counter.ts");
    const child = spawn(process.execPath, [script, file], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout });
    const [first] = (await once(lines, "line")) as [string];
    const counter = new CounterProcess(child, file, (JSON.parse(first) as { readonly port: number }).port);
    lines.on("line", (line) => counter.#told(line));
    return counter;
  }

  acts(trial: string): readonly Act[] {
    return actsOf(this.#file, trial);
  }

  /** Stops a call of the trial as `halt` says and then calls `reached`. */
  async halt(trial: string, halt: Halt, reached: () => void): Promise<void> {
    this.#halts.set(trial, reached);
    await counterOf(this.port, trial, (call) => call).halt(halt);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    await ended;
  }

  #told(line: string): void {
    const { halted } = JSON.parse(line) as { readonly halted?: Halted };
    if (halted === undefined) return;
    this.#halts.get(halted.trial)?.();
    this.#halts.delete(halted.trial);
  }
}
