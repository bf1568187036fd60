import { fork, type ChildProcess } from "node:child_process";

/** A process of a bench that is asked one thing at a time: what it measures is not disturbed by who asks. */
export class Peer {
  readonly #child: ChildProcess;
  #settle: ((reply: Reply | Error) => void) | null = null;

  /** @param nodeFlags such as `--cpu-prof`, for this process alone */
  constructor(file: string, args: readonly string[] = [], nodeFlags: readonly string[] = []) {
    const flags = ["--conditions=pawl-source", "--expose-gc", "--disable-warning=ExperimentalWarning", ...nodeFlags];
    this.#child = fork(file, [...args], { execArgv: [...flags] });
    this.#child.on("message", (reply: Reply) => this.#settle?.(reply));
    this.#child.on("exit", (code, signal) =>
      this.#settle?.(new Error(`${file} ended (${code === null ? signal : `exit code ${code}`})`)),
    );
  }

  /** @param question is understood by the other file's `answerQuestions`, which also fixes the type of the answer */
  async ask<Answer>(question: object): Promise<Answer> {
    const reply = await new Promise<Reply | Error>((resolve) => {
      this.#settle = resolve;
      this.#child.send(question, (error) => {
        if (error !== null) resolve(error);
      });
    });
    this.#settle = null;
    if (reply instanceof Error) throw reply;
    if (!reply.ok) throw new Error(reply.error);
    return reply.answer as Answer;
  }

  /** Lets the process end by itself, so that a profile of it is written. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => {
      this.#child.once("exit", () => resolve());
    });
    this.#child.disconnect();
    await ended;
  }
}

type Reply = { readonly ok: true; readonly answer: unknown } | { readonly ok: false; readonly error: string };

/** The other side of a `Peer`: ends when the one who asks is gone. */
export function answerQuestions(answer: (question: never) => Promise<unknown>): void {
  process.on("message", (question) => {
    void answer(question as never).then(
      (value) => process.send?.({ ok: true, answer: value }),
      (error: unknown) =>
        process.send?.({ ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.once("disconnect", () => process.exit());
}
