import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { agent, durable } from "pawl";
import { quickJs, sandbox } from "pawl/sandbox";
import { manualClock, memoryStore, scriptedModel } from "pawl/testing";
import { runCode } from "pawl/tools";
import { limits } from "../../src/core/limits.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import type { EventPage } from "../../src/gateway/api/events.ts";
import { EventStreams } from "../../src/gateway/event-stream.ts";
import { bodyOf, refused, serve, type Served } from "./serving.ts";
import { SseClient } from "./sse-client.ts";

const open = (served: Served, runId: string, headers: { readonly [name: string]: string } = {}): Promise<SseClient> =>
  SseClient.open(`${served.url}/api/v1/runs/${runId}/events`, served.key, headers);
const upTo = (last: number): readonly number[] => Array.from({ length: last }, (_, i) => i + 1);

async function startWaiter({ ask }: Served, runId: string): Promise<void> {
  bodyOf(await ask("POST", "/runs", { body: { agent: "waiter", input: { name: "go" }, runId } }), 201);
}
const signal = ({ ask }: Served, runId: string, name: string, value: unknown): ReturnType<Served["ask"]> =>
  ask("POST", `/runs/${runId}/signals`, { body: { name, value } });

test("a stream has every event once and in order, live text between, and closes with the end", async (t) => {
  const served = await serve(t);
  bodyOf(await served.ask("POST", "/runs", { body: { agent: "writer", input: "Go.", runId: "r" } }), 201);
  const client = await (await open(served, "r")).closed();
  const events = client.frames.filter(({ id }) => id !== null);
  assert.deepEqual(client.seqs, upTo(client.seqs.length));
  assert.equal(events[0]?.event, "run.started");
  const [last, end] = [events.at(-2), events.at(-1)];
  assert.equal(last?.event, "run.ended");
  assert.deepEqual(end, {
    id: `${client.seqs.length}-end`,
    event: "end",
    data: { runId: "r", status: "completed", seq: client.seqs.length },
  });
  assert.match(client.response.headers["content-type"] ?? "", /^text\/event-stream/);
  assert.equal(client.response.headers["x-content-type-options"], "nosniff");
  const page = bodyOf<EventPage>(await served.ask("GET", "/runs/r/events?limit=3"));
  assert.deepEqual(
    page.items,
    events.slice(0, 3).map(({ data }) => data),
  );
  assert.deepEqual([page.lastSeq, page.hasMore], [3, true]);
  const rest = bodyOf<EventPage>(await served.ask("GET", "/runs/r/events?after=3"));
  assert.deepEqual([rest.items.length, rest.hasMore], [client.seqs.length - 3, false]);
});

test("live text comes without an id, between the call and its answer", async (t) => {
  const go = Promise.withResolvers<void>();
  const served = await serve(t, {
    agents: () => [agent({ name: "slow", model: "test/slow", instructions: "Write." })],
    models: scriptedModel(async () => {
      await go.promise;
      return { text: "one two three" };
    }),
  });
  bodyOf(await served.ask("POST", "/runs", { body: { agent: "slow", input: "Go.", runId: "r" } }), 201);
  const client = await open(served, "r");
  await client.until(({ frames }) => frames.some(({ event }) => event === "model.called"));
  go.resolve();
  await client.closed();
  const kinds = client.frames.map(({ event }) => event);
  const deltas = client.frames.filter(({ event }) => event === "text.delta");
  assert.equal(deltas.map(({ data }) => (data as { readonly text: string }).text).join(""), "one two three");
  assert.ok(deltas.every(({ id }) => id === null));
  assert.ok(kinds.indexOf("text.delta") > kinds.indexOf("model.called"));
  assert.ok(kinds.lastIndexOf("text.delta") < kinds.indexOf("model.answered"));
  const { callId, attempt, fence, i } = (deltas[0]?.data ?? {}) as { readonly [name: string]: unknown };
  assert.deepEqual([typeof callId, attempt, fence, i], ["string", 1, 1, 0]);
});

test("a reader goes on behind its Last-Event-ID, and one that has the end is told to stay away", async (t) => {
  const served = await serve(t);
  await startWaiter(served, "w");
  const first = await open(served, "w");
  await first.until(({ frames }) => frames.some(({ event }) => event === "run.parked"));
  first.leave();
  const have = first.seqs.at(-1) ?? 0;
  bodyOf(await signal(served, "w", "go", 1));
  const second = await (await open(served, "w", { "last-event-id": String(have) })).closed();
  assert.deepEqual([...first.seqs, ...second.seqs], upTo(have + second.seqs.length));
  const end = second.frames.at(-1)?.id ?? "";
  const third = await (await open(served, "w", { "last-event-id": String(second.seqs.at(-1)) })).closed();
  assert.deepEqual(third.frames, [second.frames.at(-1)]);
  const fourth = await open(served, "w", { "last-event-id": end });
  assert.equal(fourth.response.statusCode, 204);
  const byQuery = await SseClient.open(`${served.url}/api/v1/runs/w/events?after=${have}`, served.key);
  assert.deepEqual((await byQuery.closed()).seqs, second.seqs);
});

test("a Last-Event-ID that is no place of this run is refused with a problem document", async (t) => {
  const served = await serve(t);
  await startWaiter(served, "w");
  await (await open(served, "w")).until(({ seqs }) => seqs.length > 2);
  for (const id of ["-1", "1.5", "abc", "999", "9".repeat(400), "0x1", "1 2", "1-end", "01", "Infinity"]) {
    const answer = await served.ask("GET", "/runs/w/events", {
      headers: { accept: "text/event-stream", "last-event-id": id },
    });
    refused(answer, 400, "LAST_EVENT_ID_INVALID");
  }
  const accept = { accept: "text/event-stream" };
  refused(await served.ask("GET", "/runs/w/events?after=999", { headers: accept }), 400, "LAST_EVENT_ID_INVALID");
  refused(await served.ask("GET", "/runs/w/events?after=-1", { headers: accept }), 400, "REQUEST_INVALID");
  refused(await served.ask("GET", "/runs/nosuch/events", { headers: accept }), 404, "RUN_UNKNOWN");
  refused(await served.ask("GET", "/runs/w/events", { headers: accept, key: served.otherKey }), 404, "RUN_UNKNOWN");
  await signal(served, "w", "go", 1);
});

test("a stream closes when its key is revoked, and says so", async (t) => {
  const served = await serve(t);
  await startWaiter(served, "w");
  const { key, id } = await served.keyFor("acme", ["read"]);
  const client = await SseClient.open(`${served.url}/api/v1/runs/w/events`, key);
  await client.until(({ seqs }) => seqs.length > 0);
  bodyOf(await served.ask("POST", `/keys/${id}/revoke`));
  await client.closed();
  const last = client.frames.at(-1);
  assert.equal(last?.event, "error");
  assert.equal(((last?.data ?? {}) as { readonly code?: string }).code, "STREAM_CUT");
  assert.equal(served.server.gateway.streams.size, 0);
});

test("a value too large for an event is null there, and is read by its hash", async (t) => {
  const text = "x".repeat(limits.streamValueBytes + 10);
  const served = await serve(t, {
    agents: () => [agent({ name: "long", model: "test/long", instructions: "Write." })],
    models: scriptedModel([{ text }]),
  });
  bodyOf(await served.ask("POST", "/runs", { body: { agent: "long", input: "Go.", runId: "r" } }), 201);
  const client = await (await open(served, "r")).closed();
  const ended = client.frames.find(({ event }) => event === "run.ended")?.data as {
    readonly output: unknown;
    readonly valueRef: { readonly blob: string };
  };
  assert.equal(ended.output, null);
  assert.equal(bodyOf(await served.ask("GET", `/runs/r/values/${ended.valueRef.blob}`)), text);
  refused(await served.ask("GET", `/runs/r/values/${"0".repeat(32)}`), 404, "VALUE_UNKNOWN");
  refused(await served.ask("GET", "/runs/r/values/nohash"), 400, "REQUEST_INVALID");
});

test("an artifact that code of a run left is read by its name, by its own tenant only", async (t) => {
  const box = await sandbox({ engines: [quickJs], requires: ["network"] });
  t.after(() => box.close());
  const code = "writeFile('sum.txt', String(6 * 7))";
  const served = await serve(t, {
    agents: () => [agent({ name: "coder", model: "m", instructions: "Run.", tools: [runCode({ sandbox: box })] })],
    models: scriptedModel([
      { toolCalls: [{ tool: "run_code", input: { kind: "javascript", code } }] },
      { text: "Left in sum.txt." },
    ]),
  });
  bodyOf(await served.ask("POST", "/runs", { body: { agent: "coder", input: "Go.", runId: "r" } }), 201);
  const { frames } = await (await open(served, "r")).closed();
  const returned = frames.find(({ event }) => event === "tool.returned")?.data as {
    readonly output: { readonly files: readonly { readonly path: string; readonly artifact: string }[] };
  };
  const [file] = returned.output.files;
  assert.equal(file?.path, "sum.txt");
  const path = `/runs/r/values/${file.artifact}`;
  assert.deepEqual(bodyOf(await served.ask("GET", path)), { text: "42" });
  refused(await served.ask("GET", path, { key: served.otherKey }), 404, "RUN_UNKNOWN");
});

test("a stream ends with the gateway, and a reader goes on with the next one over the same database", async (t) => {
  const served = await serve(t);
  await startWaiter(served, "w");
  const first = await open(served, "w");
  await first.until(({ frames }) => frames.some(({ event }) => event === "run.parked"));
  await served.server.close();
  await first.closed();
  assert.equal(first.frames.at(-1)?.event, "error");
});

// ---- many readers, slow readers: on a bare server, under a clock that the test moves

interface Bare {
  readonly url: string;
  readonly app: Pawl;
  readonly streams: EventStreams;
  readonly clock: ReturnType<typeof manualClock>;
  readonly reads: () => number;
  readonly subscriptions: () => number;
  readonly responses: ServerResponse[];
}

/** Streams of run `r`, which waits for the signal `go`; reads of its journal and subscriptions are counted. */
async function bare(t: TestContext): Promise<Bare> {
  const clock = manualClock();
  const inner = memoryStore({ clock });
  let [reads, subscriptions] = [0, 0];
  const store = new Proxy(inner, {
    get(target, name) {
      if (name === "readEvents") reads++;
      if (name === "subscribe") subscriptions++;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  const app = new Pawl({
    store: inner,
    clock,
    models: scriptedModel([]),
    agents: [durable({ name: "w", run: (ctx) => ctx.waitForSignal("go") })],
  });
  await app.start("w", { runId: "r", input: null });
  const streams = new EventStreams(store, clock);
  const responses: ServerResponse[] = [];
  const server = createServer((request, response) => {
    void inner.readHead({ tenant: "default", runId: "r" }).then((head) => {
      assert.ok(head !== null);
      response.writeHead(200, { "content-type": "text/event-stream" });
      responses.push(response);
      const afterSeq = Number(request.headers["last-event-id"] ?? 0);
      streams.attach(response, { head, afterSeq }, () => undefined);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await clock.until(app.close(0));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    app,
    streams,
    clock,
    responses,
    reads: () => reads,
    subscriptions: () => subscriptions,
  };
}

test("1,000 readers of one run share one subscription and one reading of each event", async (t) => {
  const { url, app, streams, reads, subscriptions } = await bare(t);
  await app.message("r", "first");
  const clients = await Promise.all(Array.from({ length: 1_000 }, () => SseClient.open(url, "")));
  await Promise.all(clients.map((client) => client.until(({ seqs }) => seqs.length > 0)));
  assert.equal(streams.size.readers, 1_000);
  assert.equal(streams.size.runs, 1);
  assert.equal(subscriptions(), 1);
  const before = reads();
  assert.ok(before < 10, `${before} reads for what was there`);
  for (let n = 0; n < 5; n++) await app.message("r", `message ${n}`);
  const last = (await app.run("r").head()).seq;
  await Promise.all(clients.map((client) => client.until(({ seqs }) => seqs.at(-1) === last)));
  for (const client of clients) assert.deepEqual(client.seqs, upTo(last));
  assert.ok(reads() - before <= 25, `${reads() - before} reads for 5 events`);
  for (const client of clients) client.leave();
  while (streams.size.readers > 0) await setImmediate();
  assert.deepEqual(streams.size, { runs: 0, readers: 0, cachedBytes: 0 });
});

test("heartbeats keep a quiet stream alive", async (t) => {
  const { url, clock } = await bare(t);
  const client = await SseClient.open(url, "");
  await client.until(({ seqs }) => seqs.length > 0);
  for (let n = 0; n < 3; n++) {
    await clock.pass(limits.streamHeartbeatMs);
    await client.until(({ comments }) => comments > n);
  }
  assert.ok(client.comments >= 3);
  client.leave();
});

test("a reader that reads nothing costs no memory, and is cut; one that reads slowly gets everything", async (t) => {
  const { url, app, streams, clock, responses } = await bare(t);
  const [silent, slow] = [await SseClient.open(url, ""), await SseClient.open(url, "")];
  for (const client of [silent, slow]) {
    await client.until(({ seqs }) => seqs.length > 0);
    client.response.pause();
  }
  const text = "y".repeat(15_000);
  for (let n = 0; n < 1_000; n++) await app.message("r", text);
  while (responses.some(({ writableNeedDrain }) => !writableNeedDrain)) await setImmediate();
  for (const response of responses) {
    assert.ok(response.writableLength < 4 * limits.streamWriteBytes, `${response.writableLength} bytes are waiting`);
  }
  assert.ok(streams.size.cachedBytes < limits.streamCacheBytes);
  slow.response.resume();
  const last = (await app.run("r").head()).seq;
  await slow.until(({ seqs }) => seqs.at(-1) === last);
  assert.deepEqual(slow.seqs, upTo(last));
  await clock.pass(limits.streamStallMs + 10_000);
  while (streams.size.readers > 1) await setImmediate();
  silent.response.resume();
  await silent.closed();
  const end = silent.frames.at(-1);
  assert.ok(end === undefined || end.event === "error" || silent.seqs.length < last);
  slow.leave();
});
