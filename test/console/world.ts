import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { JsonValue } from "../../src/core/json.ts";

const program = join(import.meta.dirname, "world-process.ts");
const START_MS_MAX = 90_000;

interface Saying {
  readonly url: string;
  readonly key: string | null;
}

/** One process of gateway, worker and console over a folder of its own: killed and started again at the same address. */
export class WorldProcess {
  readonly folder: string = mkdtempSync(join(tmpdir(), "pawl-console-"));
  readonly #auth: "open" | "keys";
  #child: ChildProcess | null = null;
  #port = 0;
  url = "";
  key: string | null = null;

  constructor(auth: "open" | "keys" = "open") {
    this.#auth = auth;
  }

  /** @param worker its name, as the seam shows it */
  async start(worker = "a"): Promise<this> {
    this.#port ||= await freePort();
    const args = ["-C", "pawl-source", program, this.folder, String(this.#port), worker, this.#auth];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const said = Promise.withResolvers<Saying>();
    createInterface({ input: child.stdout }).once("line", (line) => said.resolve(JSON.parse(line) as Saying));
    child.once("exit", (code) => said.reject(new Error(`the world ended with ${code ?? "a signal"}:\n${errors}`)));
    const timer = setTimeout(() => said.reject(new Error(`the world did not start:\n${errors}`)), START_MS_MAX);
    const { url, key } = await said.promise.finally(() => clearTimeout(timer));
    // nobody waits for it any more: its end is no error from here on
    said.promise.catch(() => undefined);
    this.url = url;
    this.key = key;
    return this;
  }

  /** kill -9: nothing is flushed, closed or told. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What tools did outside, line by line. */
  log(): readonly string[] {
    try {
      return readFileSync(join(this.folder, "world.log"), "utf8").trim().split("\n");
    } catch {
      return [];
    }
  }

  async ask<T>(method: "GET" | "POST", path: string, body?: JsonValue): Promise<T> {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(this.key !== null && { authorization: `Bearer ${this.key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async startRun(agent: string, input: JsonValue, runId: string): Promise<void> {
    await this.ask("POST", "/runs", { agent, input, runId });
  }

  /** After a click, whose request may still be on its way. */
  async ended(runId: string): Promise<string> {
    for (;;) {
      const status = await this.settled(runId);
      if (["completed", "failed", "stopped", "cancelled"].includes(status)) return status;
    }
  }

  /** How the run stands once nothing more happens by itself. */
  async settled(runId: string): Promise<string> {
    for (;;) {
      const { status } = await this.ask<{ readonly status: string }>("GET", `/runs/${runId}/result?waitMs=30000`);
      if (!["queued", "running", "sleeping", "awaiting_child"].includes(status)) return status;
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
