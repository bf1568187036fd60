import { dirname, resolve } from "node:path";
import { errorText } from "../../core/json.ts";
import { rootRunIdOf, type RunRef } from "../../core/id.ts";
import { limits } from "../../core/limits.ts";
import type { Store } from "../../core/store-contract.ts";
import type { SpanDetail } from "../../core/trace-contract.ts";
import type { WorkerEvent } from "../../engine/worker.ts";
import { gateway, type GatewayLogLine, type GatewayOptions, type GatewayServer } from "../../gateway.ts";
import { traceIndex, type PricedTraceIndex } from "../../traces.ts";
import { complain } from "../complain.ts";
import { consoleFolder } from "../console-build.ts";
import { developmentKey, userName } from "../development-key.ts";
import { builtinFor, noticesOf } from "../foreground.ts";
import { openBrowser } from "../open-browser.ts";
import { OtlpLoop } from "../otlp-loop.ts";
import { isPool, PoolReload } from "../pool-reload.ts";
import { openApp, type Opened } from "../place.ts";
import { inOwnProcess } from "../own-process.ts";
import { refuseSplit } from "../roles.ts";
import { untilTold } from "../until-told.ts";
import { docsFolder, reportsFolder } from "../research-agent.ts";
import { placeOfRun, rememberPlace, type RunPlace } from "../run-places.ts";
import { note, paint, plain, say } from "../terminal.ts";
import { traceFile } from "../trace-file.ts";
import { listening, portsOf, type UpOptions } from "../up-address.ts";
import { version } from "../version.ts";

/** `pawl up`: gateway, worker and console in this process, on one port, until it is told to end. */
export async function up(options: UpOptions, role: "all" | "gateway"): Promise<number> {
  const ports = portsOf(options.port);
  const host = options.host ?? "127.0.0.1";
  const tellProgress = (line: string): void => (options.json === true ? note(line) : say(paint("dim", line)));
  const consoleFiles = options.console === false ? null : await consoleFolder(tellProgress);
  let server: GatewayServer | null = null;
  let runPlace: RunPlace | null = null;
  const opened = await openApp(options, {
    worker: role === "gateway" ? false : { name: `pawl up (process ${process.pid})`, isolate: inOwnProcess(options) },
    callsModels: true,
    onWorkerEvent: (event) => {
      server?.metrics.worker(event);
      tellEvent(event);
      if (event.type === "claimed" && runPlace !== null)
        void keepPlace(opened.app.store, event.ref, runPlace).catch(complain);
    },
    builtin: async (at) => {
      if (at.names.length > 0) return null;
      runPlace = { kind: "research", docs: docsFolder(options.docs), reports: reportsFolder() };
      return builtinFor(runPlace, at);
    },
  });
  const { app, tenant, configFile, databaseFile } = opened;
  const { models } = app.deps;
  const reload = configFile !== null && isPool(models) ? new PoolReload(configFile, models, note) : null;
  const indexPath = traceFile(databaseFile);
  const traces = traceIndex({ store: app.store, path: indexPath, onFailure: complain });
  const otlp = otlpOf(opened, traces, indexPath);
  const ending = new AbortController();
  try {
    refuseSplit(role, app.store);
    await traces.open();
    const following = traces.follow(ending.signal);
    following.catch(complain);
    server = gateway({
      ...gatewayOptions(options, opened),
      traces,
      consoleFolder: consoleFiles,
      onLog: (line) => tellLog(options, line),
    });
    otlp?.start();
    server.metrics.addSource(() => otlp?.gauges() ?? []);
    const at = server;
    const url = await listening((where) => at.listen(where), host, ports);
    const folder = databaseFile === null ? resolve(".pawl") : dirname(databaseFile);
    const hasKey = options.auth !== false && options.devKey !== false;
    const key = hasKey ? await developmentKey(server.gateway.keys, tenant, folder) : null;
    tellUp(options, { opened, url, key });
    if (options.open !== false) openBrowser(pageOf(url, key));
    return await untilTold({ drain: () => at.drain(), reload, storeFailed: opened.storeFailed });
  } finally {
    // the export reads the index, and that reads the store
    await server?.close();
    await otlp?.close();
    ending.abort();
    await reload?.close();
    await traces.close();
    await app.close(limits.drainMs);
  }
}

function otlpOf({ app, gateway: config }: Opened, traces: PricedTraceIndex, indexPath: string): OtlpLoop | null {
  const to = config?.otlp;
  if (to === undefined) return null;
  const detail = (ref: RunRef, spanId: string): Promise<SpanDetail> => traces.span(ref, spanId);
  return new OtlpLoop({ to, indexPath, detail, clock: app.deps.clock });
}

/** What the configuration says, and over it what the command line says. */
function gatewayOptions(options: UpOptions, { app, tenant, gateway: config }: Opened): GatewayOptions {
  const { otlp: _otlp, publicUrl: configured, ...rest } = config ?? {};
  const publicUrl = options.publicUrl ?? configured;
  return {
    app,
    ...rest,
    ...(options.auth === false && { openTo: { tenant, principal: userName() } }),
    ...(publicUrl !== undefined && { publicUrl }),
    version: version(),
  };
}

/** Where the built-in agent is the only one, its runs are told where they are: what goes on with one elsewhere needs it. */
async function keepPlace(store: Store, ref: RunRef, place: RunPlace): Promise<void> {
  if (rootRunIdOf(ref.runId) !== ref.runId || (await placeOfRun(store, ref)) !== null) return;
  await rememberPlace(store, ref, place);
}

/** The key stands behind the "#": browsers send that to nobody. */
function pageOf(url: string, key: string | null): string {
  return key === null ? `${url}/` : `${url}/#key=${key}`;
}

interface Up {
  readonly opened: Opened;
  readonly url: string;
  readonly key: string | null;
}

function tellUp(options: UpOptions, { opened, url, key }: Up): void {
  const { app, builtin, tenant, gateway: config } = opened;
  const agents = app.registry.runnables.map(({ name }) => name);
  if (options.json === true) {
    say(JSON.stringify({ url, key, tenant, agents, console: pageOf(url, key) }));
    return;
  }
  const routes = app.registry.runnables.flatMap((runnable) => runnable.routes);
  for (const line of noticesOf(app.deps.models, routes)) say(plain(line));
  const row = (name: string, text: string): void => say(`  ${paint("dim", name.padEnd(9))}${text}`);
  const parts = app.hasWorker ? "gateway, worker and console" : "gateway and console, without a worker,";
  say(paint("bold", `pawl is up: ${parts} in this process`));
  row("console", pageOf(url, key));
  row("agents", agents.join(", ") || "none yet");
  if (builtin !== null && builtin.about !== null) row("", paint("dim", plain(builtin.about)));
  row("store", app.store.capabilities.name);
  if (app.deps.queue !== undefined) row("queue", app.deps.queue.name);
  if (config?.limits !== undefined) row("limits", "those of the configuration");
  if (config?.jwt !== undefined) row("tokens", `of ${plain(config.jwt.issuer)}`);
  if (config?.otlp !== undefined) row("spans", `to ${plain(new URL(config.otlp.url).origin)}`);
  if (key !== null) row("key", `${key}  ${paint("dim", `tenant "${tenant}", all roles`)}`);
  row(
    "try",
    `curl -H 'authorization: Bearer ${key ?? (options.auth === false ? "none" : "pawl_…")}' ${url}/api/v1/runs`,
  );
  if (options.auth === false) note(paint("red", "authentication is OFF: whoever reaches this port may do everything."));
  say(paint("dim", "  Ctrl-C finishes what is safe to finish, and stops; a second one stops at once."));
}

function tellEvent(event: WorkerEvent): void {
  if (event.type === "failed") complain(event.error);
  if (event.type === "session-died") note("this worker was taken for dead, and begins anew");
}

/** Texts of callers are data: nothing in them reaches the terminal as an escape. */
function tellLog(options: UpOptions, line: GatewayLogLine): void {
  const { error, ...rest } = line;
  const told = { ...rest, ...(error !== undefined && { error: errorText(error) }) };
  if (options.json === true) note(JSON.stringify(told));
  else if (line.level !== "info") note(plain(`${line.event} ${line.text ?? ""} ${told.error ?? ""}`).trim());
}
