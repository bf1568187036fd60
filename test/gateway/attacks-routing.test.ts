import assert from "node:assert/strict";
import { before, test } from "node:test";
import { roles } from "../../src/gateway/roles.ts";
import { servedForFile } from "./served.ts";

// SECURITY.md E.3, 15-19: what the path, the method and the framing of a request can pretend. Over raw sockets, since
// clients tidy up what they send.

const on = servedForFile();
let key = "";
let reader = "";

before(async () => {
  await on.open();
  key = (await on.key("acme", roles)).key;
  reader = (await on.key("acme", ["read"])).key;
});

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

function request(line: string, headers: readonly string[], body = ""): string {
  return [line, ...headers, "Connection: close", "", body].join("\r\n");
}

const host = (): string => `Host: 127.0.0.1:${on.port}`;

test("E.3-15: no way to write a path reaches a route without the role of that route", async () => {
  const started = await on.call("POST", "/api/v1/runs", {
    key,
    body: { agent: "payer", input: "Pay.", runId: "run-15" },
  });
  assert.equal(started.status, 201);
  await on.app.run("run-15", "acme").result();
  const before = await on.traces();
  const paths = [
    "//api/v1/runs/run-15/cancel",
    "/api//v1/runs/run-15/cancel",
    "/api/v1/./runs/run-15/cancel",
    "/livez/../api/v1/runs/run-15/cancel",
    "/api/v1/runs/%2e%2e/runs/run-15/cancel",
    "/api/v1/runs/run-15%2fcancel",
    "/%61pi/v1/runs/run-15/cancel",
    "/api/v1/runs/run-15/canc%65l",
    "/api/v1/runs/run-15/cancel;x=1",
    "/api/v1/runs;x/run-15/cancel",
    "/api/v1/runs/run-15/cancel.",
    "/api/v1/runs/run-15/cancel/",
    "/API/V1/runs/run-15/CANCEL",
    "/api/v1/runs/run-15%00/cancel",
    "/api/v1/runs/run-15/cancel%00",
    "/api/v1/runs/run-15%0d%0a/cancel",
    "/api/v1/runs/%ff/cancel",
    "/api/v1/runs/%/cancel",
    `http://127.0.0.1:${on.port}/api/v1/runs/run-15/cancel`,
    "http://evil.example/api/v1/runs/run-15/cancel",
    "*",
  ];
  const body = '{"reason":"x"}';
  const framing = ["Content-Type: application/json", `Content-Length: ${body.length}`];
  for (const path of paths) {
    for (const credential of [[], [`Authorization: Bearer ${reader}`]]) {
      const answer = await on.raw(request(`POST ${path} HTTP/1.1`, [host(), ...credential, ...framing], body));
      assert.ok([400, 401, 403, 404].includes(statusOf(answer)), `${path}: ${answer.slice(0, 300)}`);
    }
  }
  assert.equal(await on.traces(), before, "no form of the path cancelled the run");
});

test("E.3-16: methods are what they say: no override, no HEAD, no OPTIONS, nothing unknown", async () => {
  for (const name of ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"]) {
    const answer = await on.raw(
      request("GET /api/v1/session HTTP/1.1", [host(), `Authorization: Bearer ${key}`, `${name}: DELETE`]),
    );
    assert.equal(statusOf(answer), 200, name);
    assert.ok(!/set-cookie/i.test(answer), "it was a GET");
  }
  for (const method of ["HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "PROPFIND"]) {
    const answer = await on.raw(request(`${method} /api/v1/runs HTTP/1.1`, [host(), `Authorization: Bearer ${key}`]));
    assert.ok([400, 404, 405].includes(statusOf(answer)), `${method}: ${statusOf(answer)}`);
    assert.ok(!/access-control-allow/i.test(answer), method);
  }
  const unknown = await on.raw(request("FROBNICATE /api/v1/runs HTTP/1.1", [host()]));
  assert.equal(statusOf(unknown), 400);
});

test("E.3-17: two Host headers and spoofed forwarding headers are refused or have no effect", async () => {
  const two = await on.raw(request("GET /api/v1/session HTTP/1.1", [host(), host(), `Authorization: Bearer ${key}`]));
  assert.equal(statusOf(two), 400);
  const none = await on.raw(request("GET /api/v1/session HTTP/1.1", [`Authorization: Bearer ${key}`]));
  assert.equal(statusOf(none), 400);
  const twoKeys = await on.raw(
    request("GET /api/v1/session HTTP/1.1", [host(), `Authorization: Bearer ${key}`, "Authorization: Bearer x"]),
  );
  assert.equal(statusOf(twoKeys), 400);
  const forwarded = await on.raw(
    request("GET /api/v1/session HTTP/1.1", [
      host(),
      `Authorization: Bearer ${key}`,
      "X-Forwarded-Host: evil.example",
      "X-Forwarded-Proto: https",
      "X-Forwarded-For: 10.1.1.1",
    ]),
  );
  assert.equal(statusOf(forwarded), 200);
  assert.ok(!/strict-transport-security/i.test(forwarded), "the scheme was not believed");
});

test("E.3-18: ambiguous framing is refused, and nothing behind it is read as a second request", async () => {
  const post = "POST /api/v1/runs HTTP/1.1";
  const auth = `Authorization: Bearer ${key}`;
  const json = "Content-Type: application/json";
  const hidden = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
  const framings: readonly (readonly [name: string, headers: readonly string[], body: string])[] = [
    ["content-length and chunked", ["Content-Length: 5", "Transfer-Encoding: chunked"], `0\r\n\r\n${hidden}`],
    ["two lengths", ["Content-Length: 2", "Content-Length: 3"], "{}"],
    ["unknown coding", ["Transfer-Encoding: xchunked"], `0\r\n\r\n${hidden}`],
    ["coding twice", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], `0\r\n\r\n${hidden}`],
    ["coding list", ["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n"],
    ["space before colon", ["Transfer-Encoding : chunked"], "0\r\n\r\n"],
    ["negative length", ["Content-Length: -1"], "{}"],
    ["folded header", ["X-A: b\r\n c", "Content-Length: 2"], "{}"],
    ["bad chunk size", ["Transfer-Encoding: chunked"], "zz\r\n{}\r\n0\r\n\r\n"],
  ];
  for (const [name, headers, body] of framings) {
    const answer = await on.raw(request(post, [host(), auth, json, ...headers], body));
    assert.equal(statusOf(answer), 400, `${name}: ${answer.slice(0, 200)}`);
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, `${name}: one answer`);
  }
  const upgrade = await on.raw(
    request("GET /livez HTTP/1.1", [
      host(),
      "Connection: Upgrade, HTTP2-Settings",
      "Upgrade: h2c",
      "HTTP2-Settings: AAMAAABk",
    ]),
  );
  assert.equal(statusOf(upgrade), 200, "the upgrade is ignored");
  const expectation = await on.raw(request(post, [host(), auth, json, "Content-Length: 2", "Expect: magic"], "{}"));
  assert.equal(statusOf(expectation), 417);
  // trailers and chunk extensions say nothing
  const chunked = await on.raw(
    request(
      "POST /api/v1/session HTTP/1.1",
      [host(), json, "Transfer-Encoding: chunked", "Trailer: Authorization"],
      `2;x=y\r\n{}\r\n0\r\nAuthorization: Bearer ${key}\r\n\r\n`,
    ),
  );
  assert.equal(statusOf(chunked), 400, chunked.slice(0, 300));
});

test("E.3-18: pipelined requests are judged each by itself", async () => {
  const first = `GET /api/v1/session HTTP/1.1\r\n${host()}\r\nAuthorization: Bearer ${key}\r\n\r\n`;
  const answer = await on.raw(first + request("GET /api/v1/session HTTP/1.1", [host()]));
  assert.deepEqual(answer.match(/HTTP\/1\.1 (\d+)/g), ["HTTP/1.1 200", "HTTP/1.1 401"]);
});

test("E.3-19: Connection cannot make a header vanish", async () => {
  const answer = await on.raw(
    [
      `GET /api/v1/session HTTP/1.1`,
      host(),
      `Authorization: Bearer ${reader}`,
      "Connection: close, authorization",
      "",
      "",
    ].join("\r\n"),
  );
  assert.equal(statusOf(answer), 200);
  assert.match(answer, /"roles":\["read"\]/);
});
