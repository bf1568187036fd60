import { unwatchFile, watchFile } from "node:fs";
import { errorText } from "../core/json.ts";
import type { ModelSource } from "../core/model-contract.ts";
import type { Pool } from "../models.ts";
import { loadConfiguration } from "./load-config.ts";

const LOOK_EVERY_MS = 1_000;

/**
 * Keeps the pool of models in force as its configuration says: read again when the file changes, or on `reload()`. What is
 * wrong is told, and what was in force stays. Agents and tools are of the process: they change with the next start.
 */
export class PoolReload {
  readonly #path: string;
  readonly #pool: Pool;
  readonly #tell: (line: string) => void;
  readonly #onChange = (): void => this.reload();
  #isAsked = false;
  #reloading: Promise<void> | null = null;
  #loads = 0;

  constructor(path: string, pool: Pool, tell: (line: string) => void) {
    this.#path = path;
    this.#pool = pool;
    this.#tell = tell;
    watchFile(path, { interval: LOOK_EVERY_MS, persistent: false }, this.#onChange);
  }

  /** Reads the file again; what is asked for while one is read is one more reading. */
  reload(): void {
    this.#isAsked = true;
    this.#reloading ??= this.#readAll().finally(() => {
      this.#reloading = null;
    });
  }

  async close(): Promise<void> {
    unwatchFile(this.#path, this.#onChange);
    this.#isAsked = false;
    await this.#reloading;
  }

  async #readAll(): Promise<void> {
    while (this.#isAsked) {
      this.#isAsked = false;
      await this.#read();
    }
  }

  async #read(): Promise<void> {
    try {
      const { app } = await loadConfiguration(this.#path, ++this.#loads);
      const { models } = app.deps;
      if (!isPool(models)) throw new Error("its models are no pool() any more: that needs a restart.");
      this.#pool.reload(models.options);
      const { endpoints, routes } = this.#pool.status();
      this.#tell(`models reloaded: ${endpoints.length} endpoints, ${routes.length} routes`);
    } catch (error) {
      this.#tell(`models not reloaded, the old ones stay in force: ${errorText(error, 1_000)}`);
    }
  }
}

/** By shape, because the configuration may import another copy of this package. */
export function isPool(models: ModelSource): models is Pool {
  return "reload" in models && typeof models.reload === "function" && "options" in models;
}
