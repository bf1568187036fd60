import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { PawlError } from "../core/errors.ts";
import { checkId } from "../core/id.ts";
import type { ModelSource } from "../core/model-contract.ts";
import type { Runnable } from "../core/runnable.ts";
import type { Store } from "../core/store-contract.ts";
import { Pawl } from "../engine/runtime.ts";
import type { PawlOptions } from "../engine/pawl-options.ts";
import type { GatewayConfig } from "../gateway.ts";
import { sqlite } from "../sqlite.ts";
import { configPath, loadConfig, loadConfiguration } from "./load-config.ts";
import { blameUncaught } from "./uncaught.ts";
import { patientStore } from "./patient-store.ts";
import { complain } from "./complain.ts";
import { queueHere, storeAt, storeUrl } from "./store-url.ts";
import { version } from "./version.ts";

/** Options that every command takes: which database, whose runs, and how to print. */
export interface Place {
  readonly db?: string;
  readonly config?: string;
  readonly tenant?: string;
  readonly json?: boolean;
  /** Address of a gateway that has the runs, in place of a database. */
  readonly server?: string;
  readonly key?: string;
}

/** Where the runs of a folder are, unless somebody says otherwise. */
const DEFAULT_DB = ".pawl/pawl.db";

export interface Opened {
  readonly app: Pawl;
  readonly tenant: string;
  readonly builtin: Builtin | null;
  /** null = there is none. */
  readonly configFile: string | null;
  /** What the configuration exports as `gateway`; null where it has none. */
  readonly gateway: GatewayConfig | null;
  /** Path of the database; null where the configuration has its own store. */
  readonly databaseFile: string | null;
  /** Aborted, with its error as the reason, when the store itself fails. */
  readonly storeFailed: AbortSignal;
}

export function tenantOf(place: Place): string {
  return checkId("tenant", place.tenant ?? "default");
}

/** Path of the database where the place names one; null where the configuration, or PAWL_STORE, has a store. */
function databasePath(place: Place, hasConfig: boolean): string | null {
  const named = place.db ?? process.env["PAWL_DB"];
  const isNamed = named !== undefined && named !== "";
  if (isNamed && storeUrl() !== null) {
    const by = place.db === undefined ? "PAWL_DB" : "--db";
    throw new PawlError("OPTION_INVALID", `two stores are named: PAWL_STORE, and "${named}" by ${by}. Leave one out.`);
  }
  if (isNamed) return named;
  return hasConfig || storeUrl() !== null ? null : DEFAULT_DB;
}

/** Opens the runs of a place for reading only: beside a running owner, and without its code where that can be. */
export async function openToRead(place: Place): Promise<Opened> {
  refuseServer(place);
  const tenant = tenantOf(place);
  const config = databasePath(place, true) === null ? configPath(place.config) : null;
  const path = databasePath(place, config !== null);
  const url = storeUrl();
  if (path === null && url !== null)
    return reading(tenant, { store: await storeAt(url), file: null }, { agents: [], models: noModels });
  if (path === null && config !== null) {
    const { deps, store, registry } = await loadConfig(config);
    return reading(tenant, { store, file: null }, { agents: registry.runnables, models: deps.models });
  }
  const file = resolve(path ?? DEFAULT_DB);
  if (!existsSync(file)) throw noDatabase(path ?? DEFAULT_DB);
  return reading(tenant, { store: sqlite(file, { readOnly: true }), file }, { agents: [], models: noModels });
}

async function reading(
  tenant: string,
  from: { readonly store: Store; readonly file: string | null },
  code: Pick<PawlOptions, "agents" | "models">,
): Promise<Opened> {
  const { store, failed } = watchedStore(from.store);
  const app = new Pawl({ ...code, store, worker: false });
  await app.open();
  return { app, tenant, builtin: null, configFile: null, gateway: null, databaseFile: from.file, storeFailed: failed };
}

/** A command that forgot to ask the gateway must not touch what is here instead. */
function refuseServer({ server }: Place): void {
  if (server === undefined) return;
  throw new PawlError("OPTION_INVALID", "this command needs the database itself and takes no --server. Leave it out.");
}

function noDatabase(path: string): PawlError {
  return new PawlError(
    "FOLDER_UNUSABLE",
    `there is no database "${path}" here, so there are no runs yet. Start one with "pawl demo", or name a database with --db FILE.`,
  );
}

/** An agent that comes with Pawl, made for one run. */
export interface Builtin {
  readonly runnable: Runnable;
  /** Said before the run begins; null = nothing. */
  readonly about: string | null;
}

/** What is known before the agents are. */
export interface Premises {
  readonly store: Store;
  readonly tenant: string;
  /** Folder of the database, for what belongs to it; null where the configuration has its own store. */
  readonly folder: string | null;
  /** Names that the configuration has taken. */
  readonly names: readonly string[];
}

export type OpenOptions = Pick<PawlOptions, "worker" | "onWorkerEvent"> & {
  /** The built-in agent that the command needs, unless the configuration has one of its name. Told of the open store. */
  readonly builtin?: (at: Premises) => Promise<Builtin | null>;
  /** Changes a runnable before it is registered. */
  readonly adapt?: (runnable: Runnable) => Runnable;
  /** Models are needed even without a worker: to check a route before a run starts. Default: with a worker. */
  readonly callsModels?: boolean;
  /** Refuse where there is no database yet, instead of making one. */
  readonly mustExist?: boolean;
};

/** Opens the runs of a place to start, decide or execute. */
export async function openApp(place: Place, options: OpenOptions = {}): Promise<Opened> {
  refuseServer(place);
  const tenant = tenantOf(place);
  const configFile = configPath(place.config);
  const project = configFile === null ? null : await loadConfiguration(configFile);
  const config = project?.app ?? null;
  const gateway = project?.gateway ?? null;
  const path = databasePath(place, config !== null);
  if (path !== null && options.mustExist === true && !existsSync(path)) throw noDatabase(path);
  const file = path === null ? null : resolve(path);
  const folder = file === null ? null : dirname(file);
  if (path === DEFAULT_DB) makeFolder(dirname(resolve(path)));
  const { store, failed } = watchedStore(await storeOf(file, config));
  await store.open();
  try {
    const own = config?.registry.runnables ?? [];
    const names = own.map(({ name }) => name);
    const found = (await options.builtin?.({ store, tenant, folder, names })) ?? null;
    const builtin = found !== null && names.includes(found.runnable.name) ? null : found;
    const agents = builtin === null ? own : [...own, builtin.runnable];
    const callsModels = options.callsModels ?? options.worker !== false;
    const queue = await queueHere(complain);
    const here = {
      store,
      agents: agents.map(options.adapt ?? ((one) => one)),
      worker: options.worker ?? true,
      ...(options.onWorkerEvent && { onWorkerEvent: options.onWorkerEvent }),
      build: `pawl-${version()}`,
      ...(queue && { queue }),
    };
    // the rules of the project hold, whoever writes
    const app =
      config === null
        ? new Pawl({ ...here, models: callsModels ? await providerModels() : noModels })
        : config.variant(here);
    if (gateway?.limits !== undefined && app.hasWorker) {
      // every command that executes counts, or the day's tokens would hold in some of them
      const { countSpending } = await import("../gateway.ts");
      countSpending(app, gateway.limits);
    }
    if (options.worker !== false) blameUncaught(app);
    await app.open();
    return { app, tenant, builtin, configFile, gateway, databaseFile: file, storeFailed: failed };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function storeOf(file: string | null, config: Pawl | null): Promise<Store> {
  if (file !== null) return sqlite(file);
  const url = storeUrl();
  if (url !== null) return storeAt(url);
  if (config !== null) return config.store;
  throw new PawlError("INTERNAL", "neither a database nor a configuration is known here.");
}

function watchedStore(store: Store): { readonly store: Store; readonly failed: AbortSignal } {
  const failed = new AbortController();
  return { store: patientStore(store, (error) => failed.abort(error)), failed: failed.signal };
}

async function providerModels(): Promise<ModelSource> {
  const { modelSource } = await import("../models.ts");
  return modelSource();
}

/** For commands that call no model: their start does not load one. */
const noModels: ModelSource = {
  next: () => ({ type: "give-up", error: { code: "MODEL_UNKNOWN", message: "this command calls no model." } }),
  check: () => undefined,
};

/** The folder of the default database; git is told to pass it over. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/.gitignore`, "*\n");
  } catch (error) {
    throw new PawlError(
      "STORE_READ_ONLY",
      `the folder "${folder}" cannot be made here. Go to a folder that you may write, or name a database with --db FILE.`,
      { cause: error },
    );
  }
}
