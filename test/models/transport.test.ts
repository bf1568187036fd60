import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { PawlError } from "../../src/core/errors.ts";
import { timeRequests } from "../../src/models/request-times.ts";
import { pooledFetch } from "../../src/models/transport.ts";
import { collect, endpointOf, generateOptions, interfaces, requestOf, routes, wired, withServer } from "./ask.ts";

type Listener = Parameters<typeof createServer>[1];

async function withHttp<T>(listener: Listener, use: (url: string, sockets: () => number) => Promise<T>): Promise<T> {
  let sockets = 0;
  const server = createServer({}, listener);
  server.on("connection", () => sockets++);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x?y=1`, () => sockets);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function failureOf(promise: Promise<unknown>): Promise<PawlError> {
  const error: unknown = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(PawlError.is(error), String(error));
  return error;
}

test("models: requests go over connections that are kept, with method, path, headers and body as given", async () => {
  const seen: string[] = [];
  const listener: Listener = (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push(`${request.method} ${request.url} ${String(request.headers["x-a"])} ${body}`);
      response.writeHead(201, { "x-b": "2" }).end("answer");
    });
  };
  await withHttp(listener, async (url, sockets) => {
    for (let i = 0; i < 5; i++) {
      // one after the other, so that one connection is enough
      const response = await pooledFetch(url, { method: "POST", headers: { "x-a": `${i}` }, body: "question" });
      assert.equal(response.status, 201);
      assert.equal(response.headers.get("x-b"), "2");
      assert.equal(await response.text(), "answer");
    }
    // a second one where the next request comes before the first connection is known to be free
    assert.ok(sockets() <= 2, `${sockets()} connections`);
    assert.equal(seen[4], "POST /x?y=1 4 question");
  });
});

test("models: a packed body is unpacked, and one without an end gives its connection back when it is left", async () => {
  const packed: Listener = (_request, response) => {
    response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"));
  };
  await withHttp(packed, async (url) => assert.equal(await (await pooledFetch(url)).text(), "plain"));
  let isGone = false;
  const endless: Listener = (_request, response) => {
    response.writeHead(200);
    const more = (): void =>
      void response.write("x".repeat(65_536), (error) => (error instanceof Error ? undefined : more()));
    response.once("close", () => (isGone = true));
    more();
  };
  await withHttp(endless, async (url) => {
    const reader = (await pooledFetch(url)).body?.getReader();
    await reader?.read();
    await reader?.cancel();
    while (!isGone) await new Promise(setImmediate);
  });
});

test("models: a request that is cancelled ends with its reason, before the answer and within it", async () => {
  await withHttp(
    (_request, response) => {
      response.writeHead(200);
      response.write("part");
    },
    async (url) => {
      const early = AbortSignal.abort(new Error("too early"));
      await assert.rejects(pooledFetch(url, { signal: early }), /too early/);
      const stop = new AbortController();
      const response = await pooledFetch(url, { signal: stop.signal });
      const reader = response.body?.getReader();
      assert.deepEqual(await reader?.read(), { done: false, value: Buffer.from("part") });
      stop.abort(new Error("enough"));
      await assert.rejects(async () => reader?.read(), /enough/);
    },
  );
});

for (const which of interfaces) {
  test(`models: M3 ${which}: a host that never sends its headers passes the deadline for them, and no other`, async () => {
    await withServer([{ fault: { type: "no-reply" } }], async (server) => {
      const endpoint = endpointOf(routes[which], wired(server, { deadlines: { headersMs: 20 } }));
      const error = await failureOf(collect(endpoint.generate(requestOf(), generateOptions(true))));
      assert.equal(error.code, "MODEL_TIMED_OUT");
      assert.match(error.message, /headers/i);
    });
  });
}

test("models: M3: a host that accepts and does not shake hands passes the deadline for connecting", async () => {
  const silent = createTcpServer((socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => {
    silent.listen(0, "127.0.0.1", resolve);
  });
  const baseUrl = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
  try {
    const endpoint = endpointOf("openai-compatible/m", {
      providers: { "openai-compatible": { baseUrl } },
      env: {},
      deadlines: { connectMs: 30 },
    });
    const error = await failureOf(collect(endpoint.generate(requestOf(), generateOptions(true))));
    assert.equal(error.code, "MODEL_TIMED_OUT");
    assert.match(error.message, /connect/i);
  } finally {
    silent.close();
  }
});

test("models: deadlines of one request are not those of another", async () => {
  await withServer([{ text: "in time" }], async (server) => {
    const hasty = new AbortController();
    timeRequests(hasty.signal, { connectMs: 1, headersMs: 1 });
    const endpoint = endpointOf(routes.chat, wired(server));
    const answer = await collect(endpoint.generate(requestOf(), generateOptions(true)));
    assert.equal(answer.finish.finish, "stop");
  });
});
