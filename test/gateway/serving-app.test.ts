import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import { limits } from "../../src/core/limits.ts";
import type { GatewayLimits } from "../../src/gateway.ts";
import { roles } from "../../src/gateway/roles.ts";
import { served, type Served } from "./served.ts";

// What the gateway serves beside its routes, and how it ends.

const objectOf = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {});

/** Every `$ref` in a document. */
function refsIn(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one: JsonValue) => refsIn(one));
  if (!isJsonObject(value)) return [];
  const own = typeof value["$ref"] === "string" ? [value["$ref"]] : [];
  return [...own, ...Object.values(value).flatMap(refsIn)];
}

test("openapi.json is 3.1, has every route with its role and problem documents, and every reference leads somewhere", async (t) => {
  const on = await served(t);
  const answer = await on.call("GET", "/openapi.json");
  const document = objectOf(answer.json);
  assert.equal(document["openapi"], "3.1.0");
  const paths = objectOf(document["paths"]);
  // pages for a browser, not for a client
  const hidden = ["/", "/docs", "/docs.css", "/openapi.json", "/review/:token"];
  // what MCP says of a method that is no POST is said by its own protocol
  const isOfMcp = (method: string, url: string): boolean => url === "/mcp" && method !== "POST";
  for (const { method, url, role } of on.routes) {
    if (hidden.includes(url) || isOfMcp(method, url)) continue;
    const operation = objectOf(objectOf(paths[url.replaceAll(/:(\w+)|(\*)/g, "{$1$2}")])[method.toLowerCase()]);
    assert.equal(operation["x-pawl-role"], role, `${method} ${url}`);
    assert.ok("default" in objectOf(operation["responses"]), `${method} ${url}`);
    assert.equal(typeof operation["summary"], "string", `${method} ${url}`);
  }
  const schemas = objectOf(objectOf(document["components"])["schemas"]);
  const refs = refsIn(document);
  assert.ok(refs.length > 50, `${refs.length} references`);
  for (const ref of refs) assert.ok(ref.replace("#/components/schemas/", "") in schemas, ref);
  const docs = await on.call("GET", "/docs");
  assert.ok(docs.text.includes("/api/v1/runs/{runId}/events"));
});

test("the built console is served at every address of the browser, with nothing outside its folder", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pawl-console-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const dist = join(folder, "dist");
  mkdirSync(join(dist, "assets"), { recursive: true });
  writeFileSync(join(folder, "secret.txt"), "secret");
  writeFileSync(join(dist, "index.html"), "<!doctype html><title>Console</title>");
  writeFileSync(join(dist, "favicon.svg"), "<svg/>");
  writeFileSync(join(dist, ".env"), "secret");
  writeFileSync(join(dist, "assets/app.js"), "1");
  writeFileSync(join(dist, "assets/big.js"), "let packed = 0;");
  writeFileSync(join(dist, "assets/big.js.br"), brotliCompressSync("let packed = 1;"));
  const on = await served(t, { consoleFolder: dist });
  const page = { headers: { accept: "text/html" } };
  for (const path of ["/", "/runs", "/runs/abc?tab=x", "/deep/er/link"]) {
    const answer = await on.call("GET", path, page);
    assert.equal(answer.status, 200, path);
    assert.match(answer.text, /Console/, path);
    assert.equal(answer.headers.get("cache-control"), "no-cache", path);
    assert.match(answer.headers.get("content-security-policy") ?? "", /script-src 'self'/);
  }
  const script = await on.call("GET", "/assets/app.js");
  assert.match(script.headers.get("cache-control") ?? "", /immutable/);
  assert.match(script.headers.get("content-type") ?? "", /javascript/);
  for (const [accepts, encoding, text] of [
    ["gzip, br", "br", "let packed = 1;"],
    ["identity", null, "let packed = 0;"],
  ] as const) {
    const answer = await on.call("GET", "/assets/big.js", { headers: { "accept-encoding": accepts } });
    assert.equal(answer.headers.get("content-encoding"), encoding);
    assert.match(answer.headers.get("content-type") ?? "", /javascript/);
    assert.match(answer.headers.get("vary") ?? "", /accept-encoding/i);
    assert.equal(answer.text, text);
  }
  assert.equal((await on.call("GET", "/favicon.svg")).status, 200);
  for (const path of [
    "/assets/nope.js",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "/assets/..%5c..%5csecret.txt",
    "/assets/%00",
    "/assets/",
    "/.env",
    "/assets/..%2f.env",
    "/api/v1/nope",
    "/runs",
  ]) {
    const answer = await on.call("GET", path);
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status} ${answer.text}`);
    assert.ok(!answer.text.includes("secret"), path);
  }
  assert.equal((await on.call("GET", "/api/v1/nope", page)).code, "ROUTE_UNKNOWN", "no page under the API");
});

test("a day's tokens are reserved before each call: what does not fit waits, the next start is told when", async (t) => {
  const quota: GatewayLimits = { tenant: { tokensPerDay: 40, requestsPerS: null }, addressRequestsPerS: null };
  const on = await served(t, { limits: quota });
  const { key } = await on.key("acme", roles);
  const start = (runId: string) =>
    on.call("POST", "/api/v1/runs", { key, body: { agent: "greeter", input: "x".repeat(400), runId } });
  assert.equal((await start("first")).status, 201);
  assert.equal(
    (await on.app.run("first", "acme").result()).status,
    "awaiting_budget",
    "its worst case is more than the day",
  );
  const free = await served(t, {
    limits: { tenant: { tokensPerDay: 1_000_000 } },
  });
  const other = await free.key("acme", roles);
  const body = { agent: "greeter", input: "x", runId: "fits" };
  assert.equal((await free.call("POST", "/api/v1/runs", { key: other.key, body })).status, 201);
  assert.equal((await free.app.run("fits", "acme").result()).status, "completed");
  const today = `day:${new Date(free.clock.nowMs()).toISOString().slice(0, 10)}`;
  const scope = { scope: "quota:tenant", window: today, unit: "tokens" } as const;
  const read = () => free.app.store.readLedger("acme", scope);
  while ((await read()).reserved > 0) await free.clock.advance(250);
  const { spent, cap } = await read();
  assert.ok(spent > 0 && spent < 1_000, `${spent} tokens`);
  assert.equal(cap, 1_000_000);
  await free.app.store.setCap("acme", scope, spent);
  const refused = await free.call("POST", "/api/v1/runs", { key: other.key, body: { ...body, runId: "later" } });
  assert.equal(refused.code, "RATE_LIMITED", refused.text);
  assert.ok(Number(refused.headers.get("retry-after")) > 1);
});

/** A connection that has sent these bytes, and what was answered on it until it ended. */
async function connectionThatSent(
  on: Served,
  bytes: string,
  isAnswered: boolean,
): Promise<{ readonly ended: Promise<string> }> {
  const socket = connect(on.port, "127.0.0.1");
  const ended = Promise.withResolvers<string>();
  const sent = Promise.withResolvers<void>();
  let got = "";
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    got += chunk;
    if (isAnswered) sent.resolve();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => ended.resolve(got));
  socket.write(bytes, () => isAnswered || sent.resolve());
  await sent.promise;
  return { ended: ended.promise };
}

test("closing ends streams and silent connections at once, without a clock", { timeout: 20_000 }, async (t) => {
  const on = await served(t);
  const { key } = await on.key("acme", roles);
  await on.app.start("payer", { tenant: "acme", runId: "r", input: "Pay.", principal: "ada" });
  const stream = await fetch(`${on.url}/api/v1/runs/r/events`, {
    headers: { authorization: `Bearer ${key}`, accept: "text/event-stream" },
  });
  const host = `Host: 127.0.0.1:${on.port}\r\n`;
  const silent = [
    await connectionThatSent(on, "", false),
    await connectionThatSent(on, `GET /livez HTTP/1.1\r\n${host}\r\n`, true),
    await connectionThatSent(on, `GET /livez HTTP/1.1\r\n${host}\r\nGET /live`, true),
    await connectionThatSent(on, `GET /livez HTTP/1.1\r\nHo`, false),
  ];
  assert.equal((await on.call("GET", "/livez")).status, 200);
  // no time passes: whoever waits for a timer waits for ever
  on.clock.setTimer = () => () => undefined;
  await on.server.close();
  await stream.text();
  const answers = await Promise.all(silent.map(({ ended }) => ended));
  assert.deepEqual(
    answers.map((answer) => answer.startsWith("HTTP/1.1 200")),
    [false, true, true, false],
  );
  await assert.rejects(fetch(`${on.url}/livez`));
});

test("closing lets what runs finish, gives a half-sent body a second, and a request without end five", async (t) => {
  const on = await served(t);
  const { key } = await on.key("acme", roles);
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const [begun, stuck] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  t.after(() => gates[1]?.resolve());
  const read = on.app.store.readHead.bind(on.app.store);
  on.app.store.readHead = async (ref) => {
    const isFirst = ref.runId === "first";
    (isFirst ? begun : stuck).resolve();
    await gates[isFirst ? 0 : 1]?.promise;
    return read(ref);
  };
  const running = on.call("GET", "/api/v1/runs/first", { key });
  const endless = assert.rejects(on.call("GET", "/api/v1/runs/endless", { key }));
  await Promise.all([begun.promise, stuck.promise]);
  const head = `POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:${on.port}\r\n`;
  const half = await connectionThatSent(
    on,
    `${head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    false,
  );
  assert.equal((await on.call("GET", "/livez")).status, 200);
  let isClosed = false;
  const closed = on.server.close().then(() => {
    isClosed = true;
  });
  await on.clock.advance(limits.closeHalfSentMs + 250);
  assert.equal(await half.ended, "");
  assert.ok(!isClosed, "a request is under way");
  gates[0]?.resolve();
  assert.equal((await running).code, "RUN_UNKNOWN", "the whole answer, during the close");
  await on.clock.advance(limits.closeMs);
  await closed;
  await endless;
});

test("a client that leaves during its start gives its place back", async (t) => {
  const on = await served(t, {
    limits: {
      key: { concurrentRuns: 1, requestsPerS: null },
      tenant: { requestsPerS: null },
      addressRequestsPerS: null,
    },
    agents: [],
  });
  const { key } = await on.key("acme", roles);
  const gate = Promise.withResolvers<void>();
  let waits = 0;
  const admitted = Promise.withResolvers<void>();
  const list: typeof on.app.store.list = on.app.store.list.bind(on.app.store);
  on.app.store.list = async (...args) => {
    if (++waits === 1) {
      admitted.resolve();
      await gate.promise;
    }
    return list(...args);
  };
  const leaving = new AbortController();
  const left = fetch(`${on.url}/api/v1/runs`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ agent: "nobody", input: "x" }),
    signal: leaving.signal,
  }).catch(() => null);
  await admitted.promise;
  leaving.abort();
  await left;
  gate.resolve();
  for (let i = 0; i < 5; i++) {
    await on.clock.advance(3_000);
    const answer = await on.call("POST", "/api/v1/runs", { key, body: { agent: "nobody", input: "x" } });
    assert.equal(answer.code, "AGENT_UNKNOWN", answer.text);
  }
});
