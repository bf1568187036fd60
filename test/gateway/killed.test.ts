import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { PawlClient } from "pawl/client";
import { freshFolder } from "../stores/folders.ts";

interface Process {
  readonly child: ChildProcess;
  readonly url: string;
  readonly key: string | null;
}

async function gatewayProcess(t: TestContext, file: string, port: string): Promise<Process> {
  const program = join(import.meta.dirname, "gateway-process.ts");
  const child = spawn(process.execPath, ["-C", "pawl-source", program, file, port], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const told = JSON.parse(line) as Omit<Process, "child">;
  return { ...told, child };
}

test("a gateway killed with -9 and started again: its reader misses nothing, the start's key still finds its run", async (t) => {
  const folder = freshFolder();
  t.after(() => folder.remove());
  const file = join(folder.path, "pawl.db");
  const first = await gatewayProcess(t, file, "0");
  assert.ok(first.key !== null);
  const client = new PawlClient({ url: first.url, key: first.key });
  const body = { agent: "waiter", input: { name: "go" } };
  const { runId } = await client.startRun(body, { idempotencyKey: "start-1" });
  const seqs: number[] = [];
  const types: string[] = [];
  const parked = Promise.withResolvers<void>();
  let lost = 0;
  const reading = (async () => {
    for await (const item of client.events(runId, { onLost: () => lost++ })) {
      if (!("seq" in item)) continue;
      seqs.push(item.seq);
      types.push(item.type);
      if (item.type === "run.parked") parked.resolve();
    }
  })();
  await parked.promise;
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  const second = await gatewayProcess(t, file, new URL(first.url).port);
  assert.equal(second.key, null);
  assert.equal((await client.startRun(body, { idempotencyKey: "start-1" })).runId, runId);
  assert.equal((await client.listRuns()).items.length, 1);
  await client.signalRun(runId, { name: "go", value: "after" });
  await reading;
  assert.ok(lost > 0);
  assert.deepEqual(
    seqs,
    seqs.map((_, i) => i + 1),
  );
  assert.equal(types.at(-1), "run.ended");
});
