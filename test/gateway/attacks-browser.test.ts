import assert from "node:assert/strict";
import { before, test } from "node:test";
import { gateway } from "../../src/gateway/app.ts";
import { roles } from "../../src/gateway/roles.ts";
import { served, servedForFile, type Call } from "./served.ts";

// SECURITY.md E.3, 48 and 59-63: what a page of another site, or of nobody, can make a browser do.

const on = servedForFile();
let key = "";
let cookie = "";

before(async () => {
  await on.open();
  key = (await on.key("acme", roles, { principal: "ada" })).key;
  cookie = await login(key);
});

async function login(withKey: string): Promise<string> {
  const answer = await on.call("POST", "/api/v1/session", { body: { key: withKey }, headers: { origin: on.url } });
  assert.equal(answer.status, 201, answer.text);
  return (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

const asBrowser = (headers: { readonly [name: string]: string }): Call => ({ headers: { cookie, ...headers } });

test("E.3-48: no page of another site changes anything: forms, text/plain, missing and foreign Origin", async () => {
  await on.app.start("payer", { tenant: "acme", runId: "csrf", input: "Pay.", principal: "ada" });
  await on.app.run("csrf", "acme").result();
  const before = await on.traces();
  const body = { reason: "x" };
  const path = "/api/v1/runs/csrf/cancel";
  const origins = [
    "https://evil.example",
    "null",
    "http://localhost:1",
    `${on.url}.evil.example`,
    on.url.replace("http:", "https:"),
  ];
  for (const origin of origins) {
    const answer = await on.call("POST", path, { ...asBrowser({ origin }), body });
    assert.equal(answer.code, "ORIGIN_REFUSED", origin);
    const withKey = await on.call("POST", path, { key, headers: { origin }, body });
    assert.equal(withKey.code, "ORIGIN_REFUSED", `${origin} with a key`);
  }
  assert.equal(
    (await on.call("POST", path, { ...asBrowser({}), body })).code,
    "ORIGIN_REFUSED",
    "a cookie without Origin",
  );
  for (const site of ["cross-site", "same-site"]) {
    const answer = await on.call("POST", path, { ...asBrowser({ "sec-fetch-site": site }), body });
    assert.equal(answer.code, "ORIGIN_REFUSED", site);
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
    const answer = await on.call("POST", path, {
      ...asBrowser({ origin: on.url, "content-type": type }),
      raw: JSON.stringify(body),
    });
    assert.equal(answer.code, "CONTENT_TYPE_REFUSED", type);
  }
  assert.equal(await on.traces(), before);
  const own = await on.call("POST", path, { ...asBrowser({ origin: on.url }), body });
  assert.equal(own.status, 200, "its own page may, so the test can fail");
});

test("E.3-58: hostile content is JSON with its own type on every API route; the browser part is tested with the console", async () => {
  const text = "<img src=x onerror=alert(1)></script><svg onload=alert(2)>";
  await on.call("POST", "/api/v1/runs", { key, body: { agent: "greeter", input: text, runId: "xss" } });
  for (const path of [
    "/api/v1/runs/xss",
    "/api/v1/runs",
    `/api/v1/agents/${encodeURIComponent(text)}`,
    `/${encodeURIComponent(text)}`,
  ]) {
    const answer = await on.call("GET", path, { key, headers: { accept: "text/html" } });
    assert.match(answer.headers.get("content-type") ?? "", /^application\/(problem\+)?json/, path);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff", path);
  }
});

test("E.3-59: every answer forbids framing, sniffing, referrers and inline scripts; the API is never cached", async () => {
  const paths = [
    "/",
    "/docs",
    "/docs.css",
    "/openapi.json",
    "/livez",
    "/nope",
    "/api/v1/runs",
    "/api/v1/nope",
    "/api/v1/session",
  ];
  for (const path of paths) {
    for (const given of [null, key]) {
      const { headers } = await on.call("GET", path, { key: given });
      const policy = headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'/, path);
      assert.match(policy, /frame-ancestors 'none'/, path);
      assert.ok(!policy.includes("unsafe-inline") && !policy.includes("unsafe-eval"), path);
      assert.equal(headers.get("x-frame-options"), "DENY", path);
      assert.equal(headers.get("x-content-type-options"), "nosniff", path);
      assert.equal(headers.get("referrer-policy"), "no-referrer", path);
      assert.equal(headers.get("server"), null, path);
      if (path.startsWith("/api/")) assert.equal(headers.get("cache-control"), "no-store", path);
    }
  }
  const docs = await on.call("GET", "/docs");
  assert.ok(
    !/<script|style=|\bon\w+="|(src|href)="(https?:)?\/\//.test(docs.text),
    "the page for people has no script and nothing remote",
  );
});

test("E.3-60: CORS is closed: no answer allows any origin, asked with a preflight or without", async () => {
  for (const origin of ["https://evil.example", "null", on.url]) {
    const preflight = await on.call("OPTIONS", "/api/v1/runs", {
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
    });
    const get = await on.call("GET", "/api/v1/runs", { key, headers: { origin } });
    for (const { headers } of [preflight, get]) {
      assert.deepEqual(
        [...headers.keys()].filter((name) => name.startsWith("access-control")),
        [],
        origin,
      );
    }
  }
});

test("E.3-61: a name that was pointed at this machine is not served", async () => {
  const ask = (host: string): Promise<string> =>
    on.raw(`GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  for (const host of [
    "evil.example",
    `evil.example:${on.port}`,
    `127.0.0.1.evil.example:${on.port}`,
    "localhost",
    `localhost.:${on.port}`,
    "x@127.0.0.1",
  ])
    assert.match(await ask(host), /^HTTP\/1\.1 (421|400)/, host);
  for (const host of [`127.0.0.1:${on.port}`, `localhost:${on.port}`, `LOCALHOST:${on.port}`])
    assert.match(await ask(host), /^HTTP\/1\.1 200/, host);
});

test("E.3-62: a stream is not opened for a page of another site", async () => {
  await on.app.start("greeter", { tenant: "acme", runId: "watched", input: "x", principal: "ada" });
  for (const headers of [
    { origin: "https://evil.example" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" },
  ]) {
    const answer = await on.call("GET", "/api/v1/runs/watched/events", {
      headers: { cookie, accept: "text/event-stream", ...headers },
    });
    assert.equal(answer.code, "ORIGIN_REFUSED");
  }
});

test("E.3-63: a session cannot be planted, is not readable by scripts, ends at logout, with its key and with time", async (t) => {
  const planted = `pawl_session=${"A".repeat(43)}`;
  const fixed = await on.call("POST", "/api/v1/session", {
    body: { key },
    headers: { origin: on.url, cookie: planted },
  });
  const given = fixed.headers.get("set-cookie") ?? "";
  assert.match(given, /HttpOnly; SameSite=Strict/);
  assert.ok(!given.includes("AAAA"), "a new token, whatever the browser had");
  assert.equal((await on.call("GET", "/api/v1/session", { headers: { cookie: planted } })).code, "AUTH_INVALID");
  const two = `${cookie}; ${planted}`;
  assert.equal(
    (await on.call("GET", "/api/v1/session", { headers: { cookie: two } })).code,
    "AUTH_MISSING",
    "which one?",
  );

  await on.app.start("payer", { tenant: "acme", runId: "watched-63", input: "Pay.", principal: "ada" });
  const mine = await login(key);
  const stream = await fetch(`${on.url}/api/v1/runs/watched-63/events`, {
    headers: { cookie: mine, accept: "text/event-stream" },
  });
  assert.equal(stream.status, 200);
  assert.equal(on.server.gateway.streams.size, 1);
  const out = await on.call("DELETE", "/api/v1/session", { headers: { cookie: mine, origin: on.url } });
  assert.equal(out.status, 204);
  assert.match(out.headers.get("set-cookie") ?? "", /Max-Age=0/);
  await stream.text();
  assert.equal(on.server.gateway.streams.size, 0, "logout ended the stream");
  assert.equal((await on.call("GET", "/api/v1/session", { headers: { cookie: mine } })).code, "AUTH_INVALID");

  const issued = await on.key("acme", ["read"]);
  const theirs = await login(issued.key);
  await on.server.gateway.keys.revoke("acme", issued.id);
  await on.clock.advance(3_000);
  assert.equal((await on.call("GET", "/api/v1/session", { headers: { cookie: theirs } })).code, "AUTH_INVALID");

  const other = await served(t);
  const { key: otherKey } = await other.key("acme", ["read"]);
  const old = await other.call("POST", "/api/v1/session", { body: { key: otherKey } });
  const oldCookie = (old.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
  other.clock.setDate(13 * 3_600_000);
  assert.equal((await other.call("GET", "/api/v1/session", { headers: { cookie: oldCookie } })).code, "AUTH_INVALID");
});

test("without authentication every answer says so, and no other address is listened on", async (t) => {
  const open = await served(t, { openTo: { tenant: "dev", principal: "ada" } });
  const answer = await open.call("GET", "/api/v1/session");
  assert.match(answer.text, /"kind":"development"/);
  assert.equal(answer.headers.get("x-pawl-authentication"), "off");
  await assert.rejects(open.server.listen({ host: "0.0.0.0" }), /loopback/);
  const wrong = await open.call("GET", "/api/v1/session", { key: "pawl_x" });
  assert.equal(wrong.code, "AUTH_INVALID", "a credential that is given is judged");
  const page = await open.call("POST", "/api/v1/runs", {
    body: { agent: "greeter", input: "x" },
    headers: { origin: "https://evil.example" },
  });
  assert.equal(page.code, "ORIGIN_REFUSED");
});

test("without authentication no public address and no name that others know is taken", async () => {
  const { app } = on;
  const openTo = { tenant: "dev", principal: "ada" };
  for (const options of [
    { publicUrl: "https://pawl.example" },
    { hosts: ["pawl.example"] },
    { hosts: ["10.0.0.7:7295"] },
  ]) {
    assert.throws(() => gateway({ app, openTo, ...options }), /without authentication/);
  }
  gateway({ app, openTo, publicUrl: "http://localhost:7295", hosts: ["127.0.0.1:7295", "[::1]:7295"] });
});
