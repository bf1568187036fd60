import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { skipWithout } from "../run/system-packages.ts";
import { freshFolder } from "./folders.ts";
import { freePort } from "./free-port.ts";

/** For the `skip` option of a test: false if there is a server to start. */
export const skipWithoutRedis: false | string = skipWithout("redis-server");

export type RedisConfig = { readonly [name: string]: string };

const SLOTS = 16_384;
const plain: RedisConfig = { save: "", "repl-diskless-sync-delay": "0" };

/** A Redis server of its own in a temporary folder, on a free port of this machine. */
export class RedisServer {
  readonly port: number;
  readonly #config: RedisConfig;
  readonly #folder = freshFolder();
  #process: ChildProcess | null = null;

  private constructor(port: number, config: RedisConfig) {
    this.port = port;
    this.#config = config;
  }

  /** @param config of redis.conf; without it nothing is kept on disk */
  static async start(config: RedisConfig = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), { ...plain, "cluster-port": String(await freePort()), ...config });
    await server.boot();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Its folder: the append-only file is in `appendonlydir`. */
  get folder(): string {
    return this.#folder.path;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts it on the data that is there. Ready when it says so. */
  async boot(more: RedisConfig = {}): Promise<void> {
    const config = { port: String(this.port), bind: "127.0.0.1", dir: this.folder, ...this.#config, ...more };
    const args = Object.entries(config).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = child;
    const said: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      said.push(line);
      if (line.includes("Ready to accept connections")) {
        child.stdout.resume();
        return;
      }
    }
    throw new Error(`redis-server did not start: ${said.slice(-5).join(" | ")}`);
  }

  /** One command on a connection of its own. */
  async ask(...command: readonly [string, ...(string | number)[]]): Promise<unknown> {
    const password = this.#config["requirepass"];
    const client = new Redis(this.port, "127.0.0.1", {
      lazyConnect: true,
      ...(password !== undefined && { password }),
    });
    try {
      return await client.call(...(command as [string, ...string[]]));
    } finally {
      client.disconnect();
    }
  }

  /** SIGKILL: what it has not flushed is in the kernel still. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
  }

  async remove(): Promise<void> {
    await this.kill();
    this.#folder.remove();
  }
}

/** Three servers that share the slots. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(config: RedisConfig = {}): Promise<RedisCluster> {
    const nodes = await Promise.all(
      [1, 2, 3].map(() => RedisServer.start({ "cluster-enabled": "yes", "cluster-node-timeout": "2000", ...config })),
    );
    const [first] = nodes;
    for (const [i, node] of nodes.entries()) {
      const from = Math.floor((SLOTS * i) / nodes.length);
      await node.ask("CLUSTER", "ADDSLOTSRANGE", from, Math.floor((SLOTS * (i + 1)) / nodes.length) - 1);
      await node.ask("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
      if (node !== first) await node.ask("CLUSTER", "MEET", "127.0.0.1", first?.port ?? 0, await busPort(first));
    }
    for (const node of nodes) {
      const knowsAll = async (): Promise<boolean> => {
        const info = String(await node.ask("CLUSTER", "INFO"));
        return info.includes("cluster_state:ok") && info.includes(`cluster_slots_ok:${SLOTS}`);
      };
      while (!(await knowsAll())) await sleep(20);
    }
    return new RedisCluster(nodes);
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  }

  /** Moves a slot with its keys, as operators do it: while it is under way, half of the keys are here and half there. */
  async moveSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    const [fromId, toId] = await Promise.all([from, to].map(async (node) => String(await node.ask("CLUSTER", "MYID"))));
    await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId ?? "");
    await from.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", toId ?? "");
    for (;;) {
      const keys = (await from.ask("CLUSTER", "GETKEYSINSLOT", slot, 3)) as readonly string[];
      if (keys.length === 0) break;
      await from.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", ...keys);
    }
    for (const node of [to, from, ...this.nodes.filter((other) => other !== to && other !== from)]) {
      await node.ask("CLUSTER", "SETSLOT", slot, "NODE", toId ?? "");
    }
  }

  /** The node that has a slot, of those that it was made with. */
  async ownerOf(slot: number): Promise<RedisServer> {
    const ranges = (await this.nodes[0]?.ask("CLUSTER", "SLOTS")) as readonly [number, number, [string, number]][];
    const [, , [, port]] = ranges.find(([first, last]) => slot >= first && slot <= last) ?? [0, 0, ["", 0]];
    const owner = this.nodes.find((node) => node.port === port);
    if (owner === undefined) throw new Error(`nobody has slot ${slot}`);
    return owner;
  }

  async flush(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.ask("FLUSHALL")));
  }

  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.remove()));
  }
}

async function busPort(node: RedisServer | undefined): Promise<number> {
  const config = await node?.ask("CONFIG", "GET", "cluster-port");
  return Array.isArray(config) ? Number(config[1]) : 0;
}
