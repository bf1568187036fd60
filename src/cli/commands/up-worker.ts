import { createServer, type Server } from "node:http";
import type { Pawl } from "../../engine/runtime.ts";
import { limits } from "../../core/limits.ts";
import type { WorkerEvent } from "../../engine/worker.ts";
import { complain } from "../complain.ts";
import { noticesOf } from "../foreground.ts";
import { inOwnProcess } from "../own-process.ts";
import { isPool, PoolReload } from "../pool-reload.ts";
import { openApp, type Opened } from "../place.ts";
import { refuseSplit } from "../roles.ts";
import { note, paint, plain, say } from "../terminal.ts";
import { untilTold } from "../until-told.ts";
import { listening, portsOf, type UpOptions } from "../up-address.ts";

/**
 * `pawl up --role worker`: executes runs that gateways elsewhere started, until it is told to end. With --port it answers
 * /livez and /readyz, and nothing else.
 */
export async function upWorker(options: UpOptions): Promise<number> {
  const name = `pawl worker (process ${process.pid})`;
  const opened = await openApp(options, { worker: { name, isolate: inOwnProcess(options) }, onWorkerEvent: tellEvent });
  const { app, configFile, storeFailed } = opened;
  const { models } = app.deps;
  const reload = configFile !== null && isPool(models) ? new PoolReload(configFile, models, note) : null;
  let health: Server | null = null;
  try {
    refuseSplit("worker", app.store);
    let isDraining = false;
    health = options.port === undefined ? null : healthServer(app, () => isDraining);
    const url = health === null ? null : await healthOn(health, options);
    tellWorker(options, opened, url);
    const drain = (): void => {
      isDraining = true;
    };
    return await untilTold({ drain, reload, storeFailed });
  } finally {
    await reload?.close();
    await app.close(limits.drainMs);
    health?.close();
    health?.closeAllConnections();
  }
}

function healthServer(app: Pawl, isDraining: () => boolean): Server {
  return createServer((request, response) => {
    const isReady = app.workerState === "alive" && !isDraining();
    const status = request.url === "/livez" || (request.url === "/readyz" && isReady) ? 200 : 503;
    const isKnown = request.url === "/livez" || request.url === "/readyz";
    response.writeHead(isKnown ? status : 404, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(JSON.stringify({ worker: app.workerState, executing: app.executing, draining: isDraining() }));
  });
}

function healthOn(health: Server, options: UpOptions): Promise<string> {
  const listen = ({ host, port }: { readonly host: string; readonly port: number }): Promise<string> =>
    new Promise((resolve, reject) => {
      health.once("error", reject);
      health.listen(port, host, () => {
        health.off("error", reject);
        const address = health.address();
        resolve(`http://${host}:${typeof address === "object" ? (address?.port ?? port) : port}`);
      });
    });
  return listening(listen, options.host ?? "127.0.0.1", portsOf(options.port));
}

function tellWorker(options: UpOptions, { app }: Opened, health: string | null): void {
  const agents = app.registry.runnables.map(({ name }) => name);
  const store = app.store.capabilities.name;
  if (options.json === true) {
    say(JSON.stringify({ role: "worker", store, agents, health }));
    return;
  }
  const routes = app.registry.runnables.flatMap((runnable) => runnable.routes);
  for (const line of noticesOf(app.deps.models, routes)) say(plain(line));
  say(paint("bold", "a pawl worker is up: it executes what gateways start"));
  const row = (name: string, text: string): void => say(`  ${paint("dim", name.padEnd(9))}${plain(text)}`);
  row("agents", agents.join(", ") || "none: give it the configuration of the gateway");
  row("store", store);
  row("queue", app.deps.queue?.name ?? "none: it polls the store");
  if (health !== null) row("health", `${health}/readyz`);
}

function tellEvent(event: WorkerEvent): void {
  if (event.type === "failed") complain(event.error);
  if (event.type === "session-died") note("this worker was taken for dead, and begins anew");
}
