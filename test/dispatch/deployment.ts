import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Folder, type Started } from "../cli/terminal.ts";
import { copyCheckout } from "../package/checkout-copy.ts";

const root = join(import.meta.dirname, "../..");
const NOBODY = 65_534;
const run = promisify(execFile);
export const STEPS: readonly number[] = [1, 2, 3];

/** Each step leaves a line beside the process that did it. */
const config = `
import { appendFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { durable, pawl } from "pawl";
import { sqlite } from "pawl/sqlite";

const slow = durable({
  name: "slow",
  run: async (ctx) => {
    for (const i of ${JSON.stringify(STEPS)}) {
      await ctx.step("step " + i, { effect: "idempotent" }, async () => {
        appendFileSync("world.log", ctx.run.runId + " " + i + "\\n");
        await wait(300);
        return i;
      });
    }
    return "all";
  },
});
export default pawl({ store: sqlite("pawl.db"), agents: [slow] });
`;

interface Begun {
  readonly url: string;
  readonly told: unknown;
  readonly process: Started;
}

/** What an image holds, without the engine that runs images: the packed package in a tree that nobody may write. */
export class Deployment {
  readonly #env: NodeJS.ProcessEnv;
  readonly #app: string;
  readonly #states: Folder[] = [];
  #started = 0;
  /** Whoever runs the tests, unless that is root. */
  readonly #uid = process.getuid?.() === 0 ? NOBODY : undefined;

  private constructor(app: string, env: NodeJS.ProcessEnv) {
    this.#app = app;
    this.#env = env;
  }

  /** @param env what compose sets for every process */
  static async pack(env: NodeJS.ProcessEnv): Promise<Deployment> {
    const folder = new Folder();
    chmodSync(folder.path, 0o755);
    const checkout = join(folder.path, "checkout");
    copyCheckout(checkout);
    await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
      cwd: checkout,
    });
    await run("npm", ["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder.path], {
      cwd: checkout,
    });
    const tarball = readdirSync(folder.path).find((name) => name.endsWith(".tgz")) ?? "no tarball";
    const app = join(folder.path, "app");
    const modules = join(app, "node_modules");
    mkdirSync(join(modules, "pawl"), { recursive: true });
    await run("tar", ["-xzf", join(folder.path, tarball), "-C", join(modules, "pawl"), "--strip-components=1"]);
    for (const name of readdirSync(join(root, "node_modules")).filter((one) => !one.startsWith(".") && one !== "pawl"))
      symlinkSync(join(root, "node_modules", name), join(modules, name));
    folder.write("app/pawl.config.ts", config);
    await run("chmod", ["-R", "a-w,a+rX", app]);
    return new Deployment(app, { ...env, NODE_COMPILE_CACHE: undefined, TMPDIR: undefined });
  }

  /** Whether the processes of this deployment could write into its tree. */
  async mayWrite(): Promise<boolean> {
    const script = `fs.accessSync(${JSON.stringify(this.#app)}, fs.constants.W_OK)`;
    const options = this.#uid === undefined ? {} : { uid: this.#uid, cwd: "/" };
    return run(process.execPath, ["-e", script], options).then(
      () => true,
      () => false,
    );
  }

  /** Starts what a file says, but on a free port of this machine. */
  async begin(command: readonly string[], processes: Started[]): Promise<Begun> {
    const words = command.map((word, i) => {
      if (command[i - 1] === "--port") return "0";
      return command[i - 1] === "--host" ? "127.0.0.1" : word;
    });
    const process = this.#start(words);
    processes.push(process);
    const text = await process.says(/\{.*"agents".*\}/);
    const told = JSON.parse(text) as { readonly url?: string; readonly health?: string };
    return { url: told.url ?? told.health ?? "", told, process };
  }

  /** A key as an operator makes it. */
  async key(): Promise<string> {
    const words = ["keys", "create", "me", "--role", "admin", "--config", "/app/pawl.config.ts", "--json"];
    const { code, out, err } = await this.#start(words).ended;
    assert.equal(code, 0, err);
    return (JSON.parse(out) as { readonly key: string }).key;
  }

  async startRuns(gateways: readonly Begun[], key: string, count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => `r${this.#started++}`);
    for (const [i, runId] of ids.entries()) {
      const response = await fetch(`${gateways[i % gateways.length]?.url}/api/v1/runs`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ agent: "slow", input: i, runId }),
      });
      assert.equal(response.status, 201, await response.text());
    }
    return ids;
  }

  /** Resolves when the metrics of a gateway have this line; it counts every half second. Its test's time limit is the bound. */
  async measures(url: string, line: string): Promise<void> {
    while (!(await (await fetch(`${url}/metrics`)).text()).split("\n").includes(line))
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
  }

  async statusOf(url: string, key: string, runId: string): Promise<string> {
    const response = await fetch(`${url}/api/v1/runs/${runId}/result?waitMs=60000`, {
      headers: { authorization: `Bearer ${key}` },
    });
    return ((await response.json()) as { readonly status: string }).status;
  }

  /** Resolves when a worker has a run. Its test's time limit is the bound. */
  async executes(url: string): Promise<void> {
    for (;;) {
      const health = (await (await fetch(`${url}/readyz`)).json()) as { readonly executing: number };
      if (health.executing > 0) return;
    }
  }

  /** Every effect of every process, sorted. */
  effects(): readonly string[] {
    return this.#worlds().flat().toSorted();
  }

  /** How many runs had effects in more than one process. */
  handedOver(): number {
    const owned = this.#worlds().flatMap((lines) => [...new Set(lines.map((line) => line.split(" ")[0]))]);
    return owned.length - new Set(owned).size;
  }

  #worlds(): readonly (readonly string[])[] {
    const written = this.#states.filter((folder) => existsSync(join(folder.path, "world.log")));
    return written.map((folder) => folder.read("world.log").trim().split("\n"));
  }

  /** In a state folder of its own, as in a container. */
  #start(words: readonly string[]): Started {
    const state = new Folder();
    if (this.#uid !== undefined) chownSync(state.path, this.#uid, this.#uid);
    this.#states.push(state);
    const here = words.map((word) => word.replace(/^\/app\//, `${this.#app}/`));
    const main = join(this.#app, "node_modules/pawl/dist/cli/main.js");
    return state.startProgram([process.execPath, main, ...here], this.#env, this.#uid);
  }
}
