import assert from "node:assert/strict";
import { before, test } from "node:test";
import { roles } from "../../src/gateway/roles.ts";
import { isSameHash, secretHash } from "../../src/gateway/secrets.ts";
import { systemTenant } from "../../src/gateway/system-tenant.ts";
import { served, servedForFile } from "./served.ts";

// SECURITY.md E.3, 2-4, 7-14 and 55-57: who asks, and for whom. 1, 5 and 6 are in matrix.test.ts.

const on = servedForFile();
let acme = "";
let globex = "";

before(async () => {
  await on.open();
  acme = (await on.key("acme", roles, { principal: "ada" })).key;
  globex = (await on.key("globex", roles)).key;
});

test("E.3-2: a key in the URL is refused, right or wrong, by any name", async () => {
  for (const query of [`key=${acme}`, `api_key=x`, `access_token=x`, `Token=x`, `status=${acme}`, `a=1&a=${acme}`]) {
    const answer = await on.call("GET", `/api/v1/runs?${query}`);
    assert.equal(answer.status, 400, query);
    assert.ok(!answer.text.includes(acme), "the key is not repeated");
    assert.equal((await on.call("GET", `/api/v1/runs?${query}`, { key: acme })).status, 400, query);
  }
});

test("E.3-3: hostile key texts are refused like any wrong key", async () => {
  const texts = [
    "'; DROP TABLE record;--",
    '" OR ""="',
    "pawl_aaaaaaaaaaaa_' OR 1=1 --",
    "pawl_%00%0a_x",
    "pawl_../../etc_x",
    acme.replace("pawl", "PAWL"),
    `${acme} `.repeat(2),
    `pawl_${"a".repeat(8_000)}_x`,
  ];
  for (const text of texts) {
    const answer = await on.call("GET", "/api/v1/session", { headers: { authorization: `Bearer ${text}` } });
    assert.equal(answer.code, "AUTH_INVALID", text.slice(0, 40));
  }
  for (const scheme of ["Basic", "", "Bearer\t", "Token"]) {
    const answer = await on.call("GET", "/api/v1/session", { headers: { authorization: `${scheme} ${acme}` } });
    assert.ok(answer.status === 401 || scheme.startsWith("Bearer"), scheme);
  }
  const raw = (value: string): Promise<string> =>
    on.raw(
      `GET /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:${on.port}\r\nAuthorization: Bearer ${value}\r\nConnection: close\r\n\r\n`,
    );
  assert.match(await raw("pawl_\0_x"), /^HTTP\/1\.1 400/, "NUL");
  assert.match(await raw("pаwl_x_y"), /^HTTP\/1\.1 (400|401)/, "letters that look alike");
  assert.match(await raw("a".repeat(1_000_000)), /^HTTP\/1\.1 431/, "one megabyte");
});

test("E.3-4: secrets are compared over hashes, in a time that does not depend on where they differ", () => {
  const hash = secretHash("right");
  assert.ok(isSameHash(hash, secretHash("right")));
  assert.ok(!isSameHash(hash, secretHash("wrong")));
  assert.ok(!isSameHash(hash, ""));
  assert.ok(!isSameHash(hash, `${hash}00`));
});

test("E.3-7: there is no tenant header: what it says changes nothing, and no credential has no tenant", async () => {
  for (const value of ["globex", "", "acme,globex", "~gateway"]) {
    const answer = await on.call("GET", "/api/v1/session", {
      key: acme,
      headers: { "x-tenant": value, "x-pawl-tenant": value },
    });
    assert.match(answer.text, /"tenant":"acme"/);
  }
  await assert.rejects(on.key("", ["read"]), /is not an id/);
  await assert.rejects(on.key(systemTenant, ["admin"]), /is not an id/, "nobody names the tenant that holds the keys");
});

test("E.3-8: a tenant in the body is no tenant", async () => {
  const answer = await on.call("POST", "/api/v1/runs", {
    key: globex,
    body: { agent: "greeter", input: "x", tenant: "acme" },
  });
  assert.equal(answer.code, "REQUEST_INVALID", answer.text);
  assert.deepEqual((await on.app.runs({}, { tenant: "acme" })).items, []);
});

test("E.3-9: a cursor of one tenant shows another tenant only its own", async () => {
  for (const i of [1, 2, 3])
    await on.app.start("greeter", { tenant: "acme", runId: `acme-${i}`, input: "x", principal: "ada" });
  const first = await on.call("GET", "/api/v1/runs?limit=1", { key: acme });
  const cursor = /"cursor":"([^"]+)"/.exec(first.text)?.[1] ?? "";
  assert.ok(cursor.length > 5, first.text);
  const replayed = await on.call("GET", `/api/v1/runs?limit=5&cursor=${encodeURIComponent(cursor)}`, { key: globex });
  assert.ok(!replayed.text.includes("acme-"), replayed.text);
  const own = await on.call("GET", `/api/v1/runs?limit=5&cursor=${encodeURIComponent(cursor)}`, { key: acme });
  assert.ok(own.text.includes("acme-"), "its own tenant goes on");
});

test("E.3-10: the same idempotency key in two tenants starts two runs", async () => {
  const body = { agent: "greeter", input: "same" };
  const headers = { "idempotency-key": "order-1" };
  const [one, other] = [
    await on.call("POST", "/api/v1/runs", { key: acme, body, headers }),
    await on.call("POST", "/api/v1/runs", { key: globex, body, headers }),
  ];
  assert.deepEqual([one.status, other.status], [201, 201]);
  const again = await on.call("POST", "/api/v1/runs", { key: acme, body, headers });
  assert.equal(again.headers.get("location"), one.headers.get("location"));
  assert.notEqual(one.headers.get("location"), other.headers.get("location"));
  const changed = await on.call("POST", "/api/v1/runs", { key: acme, body: { ...body, input: "other" }, headers });
  assert.equal(changed.status, 409);
});

test("E.3-11: cached credentials are found by the whole secret: a right id with a wrong secret opens nothing", async () => {
  assert.equal((await on.call("GET", "/api/v1/session", { key: acme })).status, 200, "now it is cached");
  const id = acme.split("_")[1] ?? "";
  const answer = await on.call("GET", "/api/v1/session", { key: `pawl_${id}_${"B".repeat(43)}` });
  assert.equal(answer.code, "AUTH_INVALID");
});

test("E.3-12: a worker executes the runs of each tenant as that tenant", async () => {
  const run = await on.app.start("greeter", { tenant: "globex", runId: "same-id", input: "x", principal: "bob" });
  await on.app.start("greeter", { tenant: "acme", runId: "same-id", input: "y", principal: "ada" });
  await run.result();
  const heads = await Promise.all(["acme", "globex"].map((tenant) => on.app.run("same-id", tenant).head()));
  assert.deepEqual(
    heads.map(({ tenant, principal }) => [tenant, principal]),
    [
      ["acme", "ada"],
      ["globex", "bob"],
    ],
  );
});

test("E.3-13: admin routes need the admin role; metrics are free for this machine alone, and not through a proxy", async () => {
  const { key } = await on.key("acme", ["operate", "review"]);
  assert.equal((await on.call("GET", "/api/v1/keys", { key })).code, "ROLE_MISSING");
  assert.equal((await on.call("GET", "/metrics")).status, 200);
  for (const header of ["x-forwarded-for", "forwarded", "via", "x-real-ip"]) {
    assert.equal((await on.call("GET", "/metrics", { headers: { [header]: "1.2.3.4" } })).status, 401, header);
  }
});

test("E.3-14: rotation, revocation and logout end open streams, here and in another process of the same store", async (t) => {
  const other = await served(t, { store: on.app.store, clock: on.clock, worker: false });
  const endings = {
    revoked: async (id: string) => on.call("POST", `/api/v1/keys/${id}/revoke`, { key: acme }),
    rotated: async (id: string) => on.call("POST", `/api/v1/keys/${id}/rotate`, { key: acme, body: {} }),
  };
  await on.app.start("payer", { tenant: "acme", runId: "long-run", input: "Pay.", principal: "ada" });
  for (const [how, end] of Object.entries(endings)) {
    const { key, id } = await on.key("acme", ["read"]);
    const streams = await Promise.all(
      [on, other].map((server) =>
        fetch(`${server.url}/api/v1/runs/long-run/events`, {
          headers: { authorization: `Bearer ${key}`, accept: "text/event-stream" },
        }),
      ),
    );
    for (const stream of streams) assert.equal(stream.status, 200);
    assert.equal(on.server.gateway.streams.size + other.server.gateway.streams.size, 2, how);
    assert.ok((await end(id)).status < 300);
    const texts = streams.map((stream) => stream.text());
    await on.clock.advance(5_000);
    await Promise.all(texts);
    assert.equal(on.server.gateway.streams.size + other.server.gateway.streams.size, 0, how);
    assert.equal((await other.call("GET", "/api/v1/session", { key })).code, "AUTH_INVALID");
  }
});

test("E.3-54: secrets that a request carries, in any place, are not in answers, logs, metrics or other tenants' data", async () => {
  const canary = "canary-7f3a9e";
  const { key } = await on.key("acme", roles);
  const secret = key.slice(18);
  const before = on.log.length;
  const answers = [
    await on.call("GET", `/api/v1/runs/${canary}?x=${canary}`, { headers: { authorization: `Bearer ${canary}` } }),
    await on.call("GET", `/api/v1/runs?token=${canary}`, { key }),
    await on.call("POST", "/api/v1/session", { body: { key: canary } }),
    await on.call("POST", "/api/v1/session", { body: { key, password: canary } }),
    await on.call("POST", "/api/v1/runs", { key, raw: `{"agent":"${canary}` }),
    await on.call("GET", "/api/v1/session", { headers: { cookie: `pawl_session=${canary}`, "x-api-key": canary } }),
    await on.call("GET", "/api/v1/session", { key }),
    await on.call("GET", "/metrics"),
  ];
  const base64 = Buffer.from(canary).toString("base64").slice(0, 16);
  for (const [i, { text, status }] of answers.entries()) {
    for (const found of [canary, base64, secret]) assert.ok(!text.includes(found), `answer ${i} (${status}): ${text}`);
  }
  const log = JSON.stringify(on.log.slice(before));
  for (const found of [canary, base64, secret]) assert.ok(!log.includes(found), log);
});

test("E.3-55: an error of the server tells the client an id, and neither its cause nor a path", async (t) => {
  const broken = await served(t);
  broken.app.store.readHead = () => Promise.reject(new Error("secret detail at /srv/app/store.ts:12"));
  const { key } = await broken.key("acme", ["read"]);
  const answer = await broken.call("GET", "/api/v1/runs/some-run/result", { key });
  assert.equal(answer.status, 500);
  assert.equal(answer.code, "INTERNAL");
  assert.ok(!/secret|\/srv|\.ts|Error:/.test(answer.text), answer.text);
  const id = answer.headers.get("x-request-id") ?? "none";
  assert.ok(answer.text.includes(id));
  assert.ok(broken.log.some((line) => line.requestId === id && String(line.error).includes("secret detail")));
});

test("E.3-56: a key is shown once; the store has its hash alone", async () => {
  const created = await on.call("POST", "/api/v1/keys", { key: acme, body: { name: "ci", roles: ["run"] } });
  assert.equal(created.status, 201, created.text);
  const text = /pawl_[a-z0-9]{12}_[A-Za-z0-9_-]{43}/.exec(created.text)?.[0] ?? "none";
  const secret = text.slice(18);
  const listed = await on.call("GET", "/api/v1/keys", { key: acme });
  assert.ok(listed.text.includes(text.slice(5, 17)) && !listed.text.includes(secret) && !listed.text.includes("hash"));
  const records = await on.app.store.listRecords(systemTenant, "", null, 200);
  assert.ok(records.items.length > 3);
  assert.ok(!JSON.stringify(records).includes(secret));
});

// E.3-57, per-tenant encryption of stored data: test/stores/encrypted-files.test.ts
