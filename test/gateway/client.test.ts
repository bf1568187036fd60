import assert from "node:assert/strict";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { ClientError, PawlClient, type StreamItem } from "pawl/client";
import { operations } from "../../src/client/operations.ts";
import { framesOf } from "../../src/client/sse-parser.ts";
import { serve } from "./serving.ts";

test("every route of the OpenAPI document has a method of the client, and the reverse; /v1 and /mcp are for others' clients", async (t) => {
  const { url } = await serve(t);
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    readonly paths: { readonly [path: string]: { readonly [method: string]: { readonly operationId?: string } } };
  };
  // What OpenAI's and Anthropic's clients call (`src/gateway/front`): who wants it from TypeScript has their packages.
  const paths = Object.entries(document.paths).filter(([path]) => !path.startsWith("/v1/") && path !== "/mcp");
  assert.ok(paths.length < Object.keys(document.paths).length, "the front is described");
  const served = paths.flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const called = Object.values(operations).map((operation) => operation.join(" "));
  assert.deepEqual(called.toSorted(), served.toSorted());
  for (const name of Object.keys(operations)) {
    assert.equal(typeof Reflect.get(PawlClient.prototype, name), "function", `the client has no method ${name}`);
  }
  for (const [path, methods] of paths) {
    for (const [method, { operationId }] of Object.entries(methods)) {
      if (operationId === undefined) continue;
      const own = Object.entries(operations).find(([, one]) => one.join(" ") === `${method.toUpperCase()} ${path}`);
      assert.equal(own?.[0], operationId);
    }
  }
});

test("every method of the client calls the route of its name", async () => {
  const asked: string[] = [];
  const client = new PawlClient({
    url: "http://pawl.test/",
    key: "k",
    fetch: async (address, init) => {
      assert.ok(typeof address === "string");
      asked.push(`${init?.method ?? "GET"} ${new URL(address).pathname}`);
      return new Response("{}", { status: 200 });
    },
  });
  const one = { runId: "RUN", callId: "CALL" };
  for (const name of Object.keys(operations)) {
    asked.length = 0;
    const method = Reflect.get(client, name) as (...args: readonly unknown[]) => Promise<unknown>;
    await (["resolveEffect", "judgeCall"].includes(name)
      ? method.call(client, one, {})
      : method.call(client, "ID", "X", "Y"));
    const [verb, path] = operations[name as keyof typeof operations];
    const form = new RegExp(`^${verb} ${path.replaceAll(/\{\w+\}/g, "[A-Z]+")}$`);
    assert.match(asked[0] ?? "", form, name);
  }
});

test("the client starts, follows, reads, decides and resolves", async (t) => {
  const { url, key, done } = await serve(t);
  const client = new PawlClient({ url, key });
  await client.startRun({ agent: "billing", input: "INV-7 twice.", runId: "b" }, { idempotencyKey: "one" });
  const asked = await first(client, "b", (item) => item.type === "approval.asked");
  assert.ok(asked.type === "approval.asked");
  const [item] = (await client.listApprovals()).items;
  assert.equal(item?.approvalId, asked.approvalId);
  assert.deepEqual(item?.input, { invoiceId: "INV-7", amountUsd: 80 });
  const approval = await client.getApproval(asked.approvalId);
  assert.equal(approval.effect, "idempotent");
  assert.equal(approval.decision, null);
  const claim = await client.claimApproval(asked.approvalId, { seconds: 60 });
  assert.equal(claim.by, "acme-user");
  assert.equal((await client.getApproval(asked.approvalId)).claim?.by, "acme-user");
  await client.releaseApproval(asked.approvalId);
  assert.equal((await client.getApproval(asked.approvalId)).claim, null);
  const { actionHash } = approval;
  await refusedWith(
    "APPROVAL_CHANGED",
    client.decideApproval(asked.approvalId, { decision: "approve", shownHash: "0" }),
  );
  await refusedWith("ANSWER_INVALID", client.decideApproval(asked.approvalId, { decision: "approve", edit: { x: 1 } }));
  await refusedWith("OPTION_INVALID", client.decideApproval(asked.approvalId, { decision: "reject", edit: {} }));
  const edit = { invoiceId: "INV-7", amountUsd: 40 };
  await client.decideApproval(asked.approvalId, { decision: "approve", edit, shownHash: actionHash });
  const result = await client.getResult("b", { waitMs: 20_000 });
  assert.equal(result.status, "completed");
  assert.deepEqual(done, ["refund INV-7 40"]);
  await refusedWith("APPROVAL_DECIDED", client.decideApproval(asked.approvalId, { decision: "reject" }));
  const [effect] = (await client.listRunEffects("b")).items;
  assert.deepEqual([effect?.status, effect?.approver, effect?.attempts], ["done", "acme-user", 1]);
  assert.equal((await client.getApproval(asked.approvalId)).decision?.by, "acme-user");
});

test("an unknown effect is in the queue, and is resolved by its place", async (t) => {
  const { url, key, done } = await serve(t);
  const client = new PawlClient({ url, key });
  await client.startRun({ agent: "post", input: "Write to Ada.", runId: "p" });
  await first(client, "p", (item) => item.type === "effect.unknown");
  const result = await client.getResult("p", { waitMs: 20_000 });
  assert.equal(result.status, "awaiting_approval");
  const [item] = (await client.listApprovals()).items;
  assert.deepEqual([item?.kind, item?.tool, item?.input], ["unknown", "send_letter", { to: "Ada" }]);
  const { runId = "", callId = "", seq = 0 } = item ?? {};
  const [line] = (await client.listRunEffects("p")).items;
  assert.deepEqual([line?.status, line?.seq], ["unknown", seq]);
  const call = { runId, callId };
  await refusedWith("EFFECT_NOT_UNKNOWN", client.resolveEffect(call, { resolution: "applied", seq: seq - 1 }));
  await client.resolveEffect(call, { resolution: "applied", result: { sent: true }, seq });
  assert.equal((await client.getResult("p", { waitMs: 20_000 })).status, "completed");
  assert.deepEqual(done, ["letter Ada"]);
  await refusedWith("EFFECT_NOT_UNKNOWN", client.resolveEffect(call, { resolution: "applied" }));
});

test("threads are listed with whose turn it is and what is remembered", async (t) => {
  const { url, key, otherKey } = await serve(t);
  const client = new PawlClient({ url, key });
  await client.startRun({ agent: "writer", input: "One.", runId: "t1", threadId: "talk" });
  await client.getResult("t1", { waitMs: 20_000 });
  await client.startRun({ agent: "waiter", input: { name: "go" }, runId: "t2", threadId: "talk" });
  await client.startRun({ agent: "writer", input: "Three.", runId: "t3", threadId: "talk" });
  await first(client, "t2", (item) => item.type === "run.parked");
  const thread = await client.getThread("talk");
  assert.deepEqual(thread, { threadId: "talk", active: "t2", queue: ["t3"], remembered: 1 });
  assert.deepEqual((await client.listThreads()).items, [thread]);
  const { items } = await client.listThreadMessages("talk");
  assert.deepEqual(
    items.map(({ role }) => role),
    ["user", "assistant"],
  );
  assert.equal((await client.listRuns({ thread: "talk" })).items.length, 3);
  const other = new PawlClient({ url, key: otherKey });
  await refusedWith("THREAD_UNKNOWN", other.getThread("talk"));
  await refusedWith("THREAD_UNKNOWN", other.listThreadMessages("talk"));
  assert.deepEqual((await other.listThreads()).items, []);
  await client.signalRun("t2", { name: "go", value: null });
});

test("another tenant's approval is like one that is missing", async (t) => {
  const { url, key, otherKey } = await serve(t);
  const [mine, theirs] = [new PawlClient({ url, key }), new PawlClient({ url, key: otherKey })];
  await mine.startRun({ agent: "billing", input: "x", runId: "b" });
  const asked = await first(mine, "b", (item) => item.type === "approval.asked");
  assert.ok(asked.type === "approval.asked");
  for (const id of [asked.approvalId, "nosuch:t0-0"]) {
    await refusedWith("APPROVAL_UNKNOWN", theirs.getApproval(id));
    await refusedWith("APPROVAL_UNKNOWN", theirs.claimApproval(id));
    await refusedWith("APPROVAL_UNKNOWN", theirs.releaseApproval(id));
    await refusedWith("APPROVAL_UNKNOWN", theirs.decideApproval(id, { decision: "approve" }));
  }
  assert.deepEqual((await theirs.listApprovals()).items, []);
  await mine.decideApproval(asked.approvalId, { decision: "reject", reason: "no" });
  await mine.getResult("b", { waitMs: 20_000 });
});

test("without a trace index its routes say so", async (t) => {
  const { url, key } = await serve(t);
  const client = new PawlClient({ url, key });
  await refusedWith("TRACES_OFF", client.listTraces());
  await refusedWith("TRACES_OFF", client.listRuns({ text: "x" }));
  await refusedWith("TRACES_OFF", client.listEffects());
  await refusedWith("TRACES_OFF", client.listUsage({ by: "day" }));
});

test("a reader goes on over a connection that breaks at any byte: each event once, none missing", async (t) => {
  const { url, key } = await serve(t);
  const direct = new PawlClient({ url, key });
  await direct.startRun({ agent: "writer", input: "Go.", runId: "r" });
  await direct.getResult("r", { waitMs: 20_000 });
  const whole: number[] = [];
  for await (const item of direct.events("r")) if ("seq" in item) whole.push(item.seq);
  let connections = 0;
  // a proxy that cuts every connection a little later than the one before
  const proxy = await cuttingProxy(t, url, () => 150 + 400 * connections++);
  const seqs: number[] = [];
  const lost: unknown[] = [];
  const client = new PawlClient({ url: proxy, key });
  const options = { failuresMax: 200, wait: async () => undefined, onLost: (error: unknown) => lost.push(error) };
  for await (const item of client.events("r", options)) if ("seq" in item) seqs.push(item.seq);
  assert.deepEqual(seqs, whole);
  assert.ok(lost.length > 3, `${lost.length} connections broke`);
});

test("a reader gives up where the gateway refuses, and after too many failures", async (t) => {
  const { url } = await serve(t);
  const wrong = new PawlClient({ url, key: "pawl_wrong" });
  await refusedWith("AUTH_INVALID", wrong.events("r").next());
  let tries = 0;
  const dead = new PawlClient({ url, fetch: async () => Promise.reject(new TypeError(`try ${++tries}`)) });
  const options = { failuresMax: 4, wait: async () => undefined };
  await assert.rejects(dead.events("r", options).next(), /try 4/);
});

test("frames are read whatever the chunks", async () => {
  const text = ': heartbeat\n\nid: 1\nevent: a\ndata: {"x":"é"}\n\nevent: b\ndata: 2\n\n';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size));
    const seen: unknown[] = [];
    for await (const frame of framesOf(ReadableStream.from(chunks))) seen.push(frame);
    assert.deepEqual(seen, [
      { event: "message", data: "" },
      { event: "a", data: '{"x":"é"}' },
      { event: "b", data: "2" },
    ]);
  }
});

async function first(client: PawlClient, runId: string, isIt: (item: StreamItem) => boolean): Promise<StreamItem> {
  for await (const item of client.events(runId)) if (isIt(item)) return item;
  return assert.fail("the run ended before");
}

async function refusedWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(ClientError.is(error), String(error));
    assert.equal(error.code, code, error.detail);
    assert.ok(error.detail.length > 10 && error.status >= 400);
    return true;
  });
}

/** Passes requests on and cuts each answer after so many bytes. */
async function cuttingProxy(t: TestContext, target: string, bytesMax: () => number): Promise<string> {
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    let left = bytesMax();
    const passed = request(`${target}${incoming.url ?? ""}`, {
      agent: false,
      headers: { ...incoming.headers, host: new URL(target).host },
    });
    passed.on("error", () => outgoing.destroy());
    passed.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("data", (chunk: Buffer) => {
        const part = chunk.subarray(0, left);
        left -= part.length;
        outgoing.write(part);
        if (left > 0) return;
        answer.destroy();
        outgoing.socket?.end(() => outgoing.destroy());
      });
      answer.on("end", () => outgoing.end());
      answer.on("error", () => undefined);
    });
    passed.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
