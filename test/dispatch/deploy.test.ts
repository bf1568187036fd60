import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { errorTable } from "../../src/core/error-table.ts";
import { limits } from "../../src/core/limits.ts";
import { Folder, type Started } from "../cli/terminal.ts";
import { RedisServer, skipWithoutRedis } from "../stores/redis-server.ts";
import { Deployment, STEPS } from "./deployment.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Container {
  readonly args: readonly string[];
  readonly ports: readonly [{ readonly name: string; readonly containerPort: number }];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}
interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly Container[]; readonly terminationGracePeriodSeconds: number };
    };
    readonly metrics: readonly { readonly external?: { readonly metric: { readonly name: string } } }[];
  };
}
interface Service {
  readonly command: readonly string[];
  readonly deploy?: { readonly replicas: number };
  readonly healthcheck: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

const compose = parse(read("deploy/compose.yaml"), { merge: true }) as {
  readonly services: { readonly gateway: Service; readonly worker: Service; readonly redis: Service };
};
const manifests = parseAllDocuments(read("deploy/kubernetes.yaml"), { merge: true }).map(
  (document) => document.toJS() as Manifest,
);
const deployments = manifests.filter(({ kind }) => kind === "Deployment").map(({ spec }) => spec.template.spec);
const { gateway, worker, redis } = compose.services;
const imageWords = JSON.parse(/^CMD (\[.*\])$/m.exec(read("deploy/Dockerfile"))?.[1] ?? "[]") as readonly string[];
const unitWords = (/^ExecStart=\S+ (.*)$/m.exec(read("deploy/pawl.service"))?.[1] ?? "").split(" ");

/** The value behind an option. */
const after = (words: readonly string[], option: string): string | undefined => words[words.indexOf(option) + 1];

test("every option and variable that deploy/ names is the program's", async () => {
  const help = (await new Folder().pawl("up", "--help")).out;
  const known = new Set(help.match(/--[a-z-]+/g));
  const commands = [
    ...deployments.flatMap(({ containers }) => containers.map(({ args }) => args)),
    gateway.command,
    worker.command,
    imageWords,
    unitWords,
  ];
  assert.equal(commands.length, 6);
  for (const words of commands) {
    assert.equal(words[0], "up");
    const options = words.filter((word) => word.startsWith("--"));
    assert.deepEqual(
      options.filter((option) => !known.has(option)),
      [],
    );
    if (words.includes("--role")) assert.match(after(words, "--role") ?? "", /^(gateway|worker)$/);
  }
  const sources = readdirSync(join(root, "src/cli"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => read(`src/cli/${path}`))
    .join("\n");
  for (const file of readdirSync(join(root, "deploy")))
    for (const name of read(`deploy/${file}`).match(/PAWL_[A-Z]+/g) ?? [])
      assert.ok(sources.includes(`"${name}"`), `${file}: ${name}`);
});

test("probes ask the port that their process listens on, and an end waits for a drain", () => {
  for (const { containers, terminationGracePeriodSeconds } of deployments) {
    assert.ok(terminationGracePeriodSeconds * 1000 > limits.drainMs + 5_000);
    for (const { args, ports, startupProbe, livenessProbe, readinessProbe } of containers) {
      assert.equal(String(ports[0].containerPort), after(args, "--port"));
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe])
        assert.equal(httpGet.port, ports[0].name);
      assert.deepEqual(
        [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path),
        ["/livez", "/livez", "/readyz"],
      );
    }
  }
  for (const { command, healthcheck, stop_grace_period: grace } of [gateway, worker]) {
    assert.ok(healthcheck.test.join(" ").includes(`127.0.0.1:${after(command, "--port")}/readyz`));
    assert.ok(Number.parseInt(grace ?? "0", 10) * 1000 > limits.drainMs);
  }
  assert.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(read("deploy/pawl.service"))?.[1]) * 1000 > limits.drainMs);
  assert.equal(after(redis.command, "--maxmemory-policy"), "noeviction");
  assert.equal(after(redis.command, "--appendonly"), "yes");
});

test("the image has the drivers that the package was tested with", () => {
  const { peerDependencies } = JSON.parse(read("package.json")) as { peerDependencies: Record<string, string> };
  const drivers = read("deploy/Dockerfile").match(/\b(ioredis|bullmq|pg)@[\d.]+/g) ?? [];
  assert.deepEqual(
    drivers,
    ["ioredis", "bullmq", "pg"].map((name) => `${name}@${peerDependencies[name]}`),
  );
});

test("docs/operate.md names metrics, commands and codes that there are", async () => {
  const text = read("docs/operate.md");
  const gatewaySources = ["metrics", "health-routes"].map((name) => read(`src/gateway/${name}.ts`)).join("\n");
  for (const name of text.match(/\bpawl_[a-z]+_[a-z_]+/g) ?? []) assert.ok(gatewaySources.includes(name), name);
  const help = (await new Folder().pawl("help")).out;
  const code = [...text.matchAll(/^ {4}(.*)$|`(pawl [^`]*)`/gm)].map(([, block, inline]) => block ?? inline ?? "");
  for (const line of code.filter((one) => one.startsWith("pawl "))) {
    const verb = line.split(/[ |]/)[1] ?? "";
    assert.match(help, new RegExp(`^ +${verb}\\b`, "m"), line);
  }
  for (const [, found] of text.matchAll(/`([A-Z]+_[A-Z_]+)`/g))
    if (found !== undefined && !found.startsWith("PAWL_")) assert.ok(Object.hasOwn(errorTable, found), found);
});

suite(
  "deploy/compose.yaml, from the packed tarball, as nobody, on a read-only tree",
  { skip: skipWithoutRedis },
  () => {
    test("every process is replaced in turn under load: nothing is lost, nothing is done twice", async () => {
      const server = await RedisServer.start({ appendonly: "yes", appendfsync: "always" });
      const processes: Started[] = [];
      const here = await Deployment.pack({ PAWL_STORE: server.url, PAWL_QUEUE: server.url });
      const begin = (service: Service): ReturnType<Deployment["begin"]> => here.begin(service.command, processes);
      try {
        assert.equal(await here.mayWrite(), false);
        const key = await here.key();
        const copies = (service: Service): Promise<Awaited<ReturnType<typeof begin>>[]> =>
          Promise.all(Array.from({ length: service.deploy?.replicas ?? 0 }, () => begin(service)));
        const gateways = await copies(gateway);
        assert.equal(gateways.length, 2);
        for (const { url, told } of gateways) {
          assert.equal((await fetch(`${url}/readyz`)).status, 200);
          assert.equal((await fetch(`${url}/livez`)).status, 200);
          assert.equal((told as { readonly key: unknown }).key, null);
        }
        const runs = await here.startRuns(gateways, key, 8);
        // counted by the one that did not start them all, before any worker is there
        const backlog = manifests.flatMap(({ spec }) => spec.metrics ?? []).find(({ external }) => external)?.external;
        await here.measures(gateways[1]?.url ?? "", `${backlog?.metric.name} 8`);
        const workers = await copies(worker);
        for (const { url } of workers) {
          assert.equal((await fetch(`${url}/readyz`)).status, 200);
          assert.equal((await fetch(`${url}/livez`)).status, 200);
        }
        for (const old of [...workers, ...gateways]) {
          const isWorker = workers.includes(old);
          const next = await begin(isWorker ? worker : gateway);
          runs.push(...(await here.startRuns(gateways, key, 12)));
          if (isWorker) await here.executes(old.url);
          old.process.child.kill("SIGTERM");
          assert.equal((await old.process.ended).code, 0);
          if (!isWorker) gateways[gateways.indexOf(old)] = next;
        }
        for (const runId of runs) assert.equal(await here.statusOf(gateways[0]?.url ?? "", key, runId), "completed");
        assert.ok(here.handedOver() > 0, "a run that one worker began, another one ended");
        assert.deepEqual(here.effects(), runs.flatMap((runId) => STEPS.map((step) => `${runId} ${step}`)).toSorted());
        await server.kill();
        await here.measures(gateways[0]?.url ?? "", `${backlog?.metric.name} NaN`);
      } finally {
        for (const { child } of processes) child.kill("SIGKILL");
        await server.remove();
      }
    });
  },
);
