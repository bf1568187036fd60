import { z } from "zod";
import { sleep, type Clock } from "../core/clock.ts";
import { limits } from "../core/limits.ts";
import type { Backlog } from "./admission.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import type { Metrics } from "./metrics.ts";

const healthSchema = z
  .strictObject({ status: z.enum(["ok", "not_ready"]), reasons: z.array(z.string()) })
  .meta({ id: "Health", description: "Whether this process should be sent requests, and why not." });

export interface HealthParts {
  readonly gateway: Gateway;
  readonly backlog: Backlog;
  readonly metrics: Metrics;
}

/** What an orchestrator and a scraper ask. Health says nothing about tenants, and is public. */
export function healthRoutes(app: GatewayApp, { gateway, backlog, metrics }: HealthParts): void {
  const isPublic = { role: "public", isHealth: true } as const;
  app.get(
    "/livez",
    {
      config: isPublic,
      schema: { tags: ["health"], summary: "This process answers", response: { 200: healthSchema } },
    },
    () => ({ status: "ok" as const, reasons: [] }),
  );
  app.get(
    "/readyz",
    {
      config: isPublic,
      schema: {
        tags: ["health"],
        summary: "This process takes work: store reachable, worker alive, not draining",
        response: { 200: healthSchema, 503: healthSchema },
      },
    },
    async (_request, reply) => {
      const reasons = await whyNotReady(gateway);
      return reply.code(reasons.length === 0 ? 200 : 503).send({
        status: reasons.length === 0 ? "ok" : "not_ready",
        reasons: [...reasons],
      });
    },
  );
  app.get(
    "/metrics",
    {
      // a scraper on this machine needs no key
      config: { role: "operate", isFreeOnLoopback: true },
      schema: { tags: ["health"], summary: "Prometheus metrics of this process", produces: ["text/plain"] },
    },
    async (_request, reply) => {
      const counted = await soon(gateway.clock, backlog.refresh());
      const text = metrics.text(gauges(gateway, { lagMs: backlog.lagMs, due: counted === "done" ? backlog.due : NaN }));
      return reply.type("text/plain; version=0.0.4; charset=utf-8").send(text);
    },
  );
}

async function whyNotReady(gateway: Gateway): Promise<readonly string[]> {
  const { app, clock, closing } = gateway;
  const reasons = closing.aborted || gateway.draining.aborted ? ["draining"] : [];
  const store = await soon(clock, app.store.listSessions());
  if (store !== "done") reasons.push(store === "late" ? "the store does not answer" : "the store cannot be reached");
  if (app.workerState === "dead") reasons.push("the worker's session is dead");
  return reasons;
}

/** What became of a question to the store, within limits.readyMs. */
async function soon(clock: Clock, asked: Promise<unknown>): Promise<"done" | "failed" | "late"> {
  const deadline = new AbortController();
  const late = sleep(clock, limits.readyMs, deadline.signal).then(
    () => "late" as const,
    () => "late" as const,
  );
  const answered = asked.then(
    () => "done" as const,
    () => "failed" as const,
  );
  const how = await Promise.race([answered, late]);
  deadline.abort();
  return how;
}

function gauges(gateway: Gateway, backlog: Pick<Backlog, "due" | "lagMs">): Parameters<Metrics["text"]>[0] {
  const { rss, heapUsed } = process.memoryUsage();
  const cpu = process.cpuUsage();
  const worker = gateway.app.workerState;
  return [
    {
      name: "pawl_runs_due",
      help: `Runs of the whole store that are due and not taken, up to ${limits.queuedRunsDue + 1}; NaN when it does not say.`,
      value: backlog.due,
    },
    {
      name: "pawl_runs_executing",
      help: "Runs that the worker of this process executes.",
      value: gateway.app.executing,
    },
    { name: "pawl_worker_alive", help: "1 while this process has a living worker.", value: worker === "alive" ? 1 : 0 },
    { name: "pawl_streams_open", help: "Event streams that are open here.", value: gateway.streams.size },
    { name: "pawl_draining", help: "1 while this process shuts down.", value: gateway.draining.aborted ? 1 : 0 },
    { name: "pawl_event_loop_lag_seconds", help: "How late the last timer fired.", value: backlog.lagMs / 1000 },
    { name: "process_resident_memory_bytes", help: "Resident memory.", value: rss },
    { name: "process_heap_used_bytes", help: "Heap in use.", value: heapUsed },
    { name: "process_cpu_seconds_total", help: "CPU used.", value: (cpu.user + cpu.system) / 1e6 },
  ];
}
