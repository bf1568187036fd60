import { fullJitterMs } from "../core/backoff.ts";
import { sleep } from "../core/clock.ts";
import { notApplied, PawlError } from "../core/errors.ts";
import { hashText } from "../core/hash.ts";
import { nameAtVersion } from "../core/id.ts";
import { errorText, isJsonObject, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { allowed } from "../core/policy.ts";
import { sanitise } from "../core/sanitise.ts";
import type { SourceEnv, SourceState, ToolContext, ToolDefinition, ToolSource } from "../core/tool-contract.ts";
import {
  connectLimitMs,
  isSessionLost,
  type ListedTool,
  McpConnection,
  type McpPlace,
  type OnElicit,
  wasRefused,
} from "./mcp-connection.ts";
import { McpOAuth } from "./mcp-oauth.ts";
import { argumentCheck, effectOfVersion, offeredTools, type OfferedTool, resultOf } from "./mcp-tool.ts";

export type McpServerOptions = McpPlace & {
  /** Of a call; default 60 s. */
  readonly timeLimitMs?: number;
  /** Ask a person before every call of a tool that is not read-only. Default false. */
  readonly approval?: boolean;
  readonly onElicit?: OnElicit;
};

const NAME = /^[a-z][a-z0-9-]{0,23}$/;

/** An MCP server as a source of tools: connected when it is first needed, again when it was lost, with backoff. */
export class McpServer implements ToolSource {
  readonly name: string;
  readonly #options: McpServerOptions;
  readonly #seen = new Map<string, ToolDefinition>();
  readonly #heard = new Set<(tools: readonly ToolDefinition[]) => void>();
  #tools: readonly ToolDefinition[] = [];
  #offered: ReadonlyMap<string, OfferedTool> = new Map();
  #env: SourceEnv | null = null;
  #connection: McpConnection | null = null;
  #opening: Promise<McpConnection> | null = null;
  #listedAt = 0;
  #failures = 0;
  #restUntil = 0;
  #connected = 0;
  #problem: string | null = null;
  #problems: readonly string[] = [];
  #stderr = "";
  #says: string | null = null;
  #ending = new AbortController();

  constructor(name: string, options: McpServerOptions) {
    if (!NAME.test(name))
      throw new PawlError(
        "NAME_INVALID",
        `MCP server "${name.slice(0, 60)}" is not a name. Use 1 to 24 small letters, digits or "-", starting with a letter.`,
      );
    this.name = name;
    this.#options = options;
  }

  get tools(): readonly ToolDefinition[] {
    return this.#tools;
  }

  get state(): SourceState {
    const status = this.#ending.signal.aborted
      ? "closed"
      : this.#connection !== null
        ? "ready"
        : this.#problem === null
          ? "idle"
          : "down";
    const problems = [...(this.#problem === null ? [] : [this.#problem]), ...this.#problems];
    return { status, problems, says: this.#says, restarts: Math.max(0, this.#connected - 1) };
  }

  async load(env: SourceEnv): Promise<void> {
    this.#env = env;
    // a runtime may be opened again after it was closed
    if (this.#ending.signal.aborted) this.#ending = new AbortController();
    if (this.#connected > 0) return;
    if (this.#restMs() > 0) throw this.#unreachable();
    await this.#connect();
  }

  async login(env: SourceEnv, send: (url: URL) => Promise<URL>): Promise<void> {
    const auth = "auth" in this.#options ? this.#options.auth : undefined;
    if (!(auth instanceof McpOAuth))
      throw new PawlError(
        "OPTION_INVALID",
        `MCP server "${this.name}" asks no person: its configuration has no auth: new McpOAuth({ tokens }).`,
      );
    auth.askAnew(send);
    await this.load(env);
  }

  tool(name: string, version: string): ToolDefinition | null {
    const known = this.#seen.get(nameAtVersion(name, version));
    if (known !== undefined) return known;
    const effect = effectOfVersion(version);
    if (effect === null || !name.startsWith(`${this.name}__`)) return null;
    const description = "A tool of a run that began in another process, where its server offered it.";
    return this.#definition({ wire: "", name, version, description, inputSchema: { type: "object" }, effect });
  }

  onChange(heard: (tools: readonly ToolDefinition[]) => void): () => void {
    this.#heard.add(heard);
    return () => void this.#heard.delete(heard);
  }

  async close(): Promise<void> {
    this.#ending.abort(new PawlError("CANCELLED", `MCP server "${this.name}" is closed.`));
    await this.#opening?.catch(() => undefined);
    await this.#connection?.close();
  }

  #definition(offered: OfferedTool): ToolDefinition {
    const { name, version, description, inputSchema, effect, flow } = offered;
    const mustAsk = this.#options.approval === true && effect !== "pure";
    return {
      name,
      version,
      description,
      inputSchema,
      effect,
      trust: "untrusted",
      capabilities: [],
      origin: `mcp:${this.name}`,
      // the version is made from all of it
      contentHash: hashText(version),
      ...(flow && { flow }),
      owner: `MCP server ${this.name}`,
      timeLimitMs: this.#options.timeLimitMs ?? limits.toolTimeMs,
      attemptsMax: limits.toolAttempts,
      shownCharsMax: limits.shownChars,
      concurrency: limits.toolConcurrency,
      parseInput: argumentCheck(offered),
      parseOutput: (value) => ({ ok: true, value }),
      asksApproval: mustAsk ? "always" : "never",
      approval: () =>
        mustAsk ? { decision: "ask", rules: ["mcp.approval"], reason: `calls of ${this.name} are approved` } : allowed,
      execute: (input, ctx) => this.#call({ name, version }, input, ctx),
    };
  }

  async #call(pinned: Pick<OfferedTool, "name" | "version">, input: unknown, ctx: ToolContext): Promise<JsonValue> {
    const args = isJsonObject(input) ? input : {};
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#ready(ctx.signal).catch((error: unknown) => {
        throw notApplied(errorText(error));
      });
      const now = this.#offered.get(pinned.name);
      if (now?.version !== pinned.version) throw notApplied(this.#changed(pinned.name, now));
      try {
        const params = { name: now.wire, arguments: args, traceparent: ctx.traceparent };
        const onProgress = (): void => undefined;
        const result = await connection.call(params, { signal: ctx.signal, timeLimitMs: ctx.deadlineMs, onProgress });
        this.#failures = 0;
        return resultOf(result);
      } catch (error) {
        const lost = isSessionLost(error);
        if (lost) await this.#lose(connection, "it does not know the session any more");
        if (!lost || attempt > 1) throw this.#outcomeOf(error);
      }
    }
  }

  #changed(name: string, now: OfferedTool | undefined): string {
    const what =
      now === undefined
        ? `MCP server "${this.name}" does not offer ${name} any more`
        : `${name} has changed on its server`;
    return `${what} since this run began. Nothing was done. Use another tool; a new run is offered what there is now.`;
  }

  /** Connected, and with a list that is not old: a server may change its tools and say nothing. */
  async #ready(signal: AbortSignal): Promise<McpConnection> {
    const { clock } = this.#surroundings();
    const restMs = this.#connection === null ? this.#restMs() : 0;
    if (restMs > 0) await sleep(clock, restMs, AbortSignal.any([signal, this.#ending.signal]));
    const connection = this.#connection ?? (await this.#connect());
    if (clock.monotonicMs() - this.#listedAt > limits.mcpListMs) this.#take(await connection.list(signal));
    return connection;
  }

  #connect(): Promise<McpConnection> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #open(): Promise<McpConnection> {
    const { clock } = this.#surroundings();
    const late = new AbortController();
    const stopTimer = clock.setTimer(connectLimitMs(this.#options), () =>
      late.abort(new Error("it did not answer in time")),
    );
    const signal = AbortSignal.any([late.signal, this.#ending.signal]);
    let opened: McpConnection | null = null;
    let isGone = false;
    try {
      this.#ending.signal.throwIfAborted();
      opened = await McpConnection.open(
        this.#options,
        {
          onClosed: (why) => {
            isGone = true;
            if (this.#connection === opened) this.#gone(why ?? "it ended");
          },
          onTools: (tools) => this.#take(tools),
          onStderr: (text) => {
            this.#stderr = (this.#stderr + text).slice(-limits.mcpStderrChars);
          },
          onElicit: this.#options.onElicit ?? null,
        },
        signal,
      );
      this.#take(await opened.list(signal));
      if (isGone) throw new Error("it ended");
    } catch (error) {
      await opened?.close();
      this.#gone(errorText(error, 300));
      throw this.#unreachable(error);
    } finally {
      stopTimer();
    }
    this.#connection = opened;
    this.#connected += 1;
    this.#problem = null;
    this.#says = sanitise(opened.says).text.slice(0, 200);
    return opened;
  }

  /** The next attempt waits, longer after each one that came to nothing. */
  #gone(why: string): void {
    this.#connection = null;
    if (this.#ending.signal.aborted) return;
    const { clock, entropy } = this.#surroundings();
    this.#failures += 1;
    const bounds = { baseMs: limits.mcpBackoffMs, capMs: limits.mcpBackoffMaxMs };
    this.#restUntil = clock.monotonicMs() + fullJitterMs(this.#failures, 0.5 + entropy.random() / 2, bounds);
    const said = sanitise(this.#stderr).text.trim().slice(-300);
    this.#problem = said === "" ? why : `${why}; it wrote: ${said}`;
  }

  async #lose(connection: McpConnection, why: string): Promise<void> {
    if (this.#connection === connection) this.#connection = null;
    await connection.close(why);
  }

  #restMs(): number {
    return this.#env === null ? 0 : Math.max(0, this.#restUntil - this.#env.clock.monotonicMs());
  }

  #surroundings(): SourceEnv {
    if (this.#env !== null) return this.#env;
    throw new PawlError("INTERNAL", `MCP server "${this.name}" was not loaded.`);
  }

  #take(list: readonly ListedTool[]): void {
    const { tools, problems } = offeredTools(this.name, list);
    this.#problems = problems;
    this.#listedAt = this.#surroundings().clock.monotonicMs();
    const before = this.#offered;
    this.#offered = new Map(tools.map((one) => [one.name, one]));
    const isSame = tools.length === before.size && tools.every((one) => before.get(one.name)?.version === one.version);
    if (isSame && this.#tools.length > 0) return;
    this.#tools = tools.map((one) => {
      const id = nameAtVersion(one.name, one.version);
      const definition = this.#seen.get(id) ?? this.#definition(one);
      this.#seen.delete(id);
      this.#seen.set(id, definition);
      return definition;
    });
    for (const id of this.#seen.keys()) {
      if (this.#seen.size <= limits.mcpVersions) break;
      this.#seen.delete(id);
    }
    for (const heard of this.#heard) heard(this.#tools);
  }

  #unreachable(cause?: unknown): PawlError {
    const why = this.#problem ?? "it does not answer";
    return new PawlError(
      "TOOLS_UNREACHABLE",
      `MCP server "${this.name}" is not reachable: ${why}. Check its command or address in the configuration; "pawl doctor" tries it.`,
      { cause },
    );
  }

  /** What refused the call before it was carried out says so; of anything else nobody knows what it did. */
  #outcomeOf(error: unknown): Error {
    const why = this.#connection === null && this.#problem !== null ? ` (${this.#problem})` : "";
    const text = `MCP server "${this.name}": ${sanitise(errorText(error, 300)).text}${why}`;
    return wasRefused(error) ? notApplied(text) : new Error(text, { cause: error });
  }
}

/** The name of each server of a configuration, ready to stand among an agent's tools. Nothing is started yet. */
export function mcp<const S extends { readonly [name: string]: McpServerOptions }>(
  servers: S,
): { readonly [N in keyof S]: McpServer } {
  return Object.fromEntries(Object.entries(servers).map(([name, options]) => [name, new McpServer(name, options)])) as {
    readonly [N in keyof S]: McpServer;
  };
}
