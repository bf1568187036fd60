import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { z } from "zod";
import { mayCall, roles, type Role } from "../../src/gateway/roles.ts";
import { memoryStore } from "../../src/testing.ts";
import { traceIndex } from "../../src/traces.ts";
import { ShiftingClock } from "./shifting-clock.ts";
import { bodyOf, missing, pathOf } from "./samples.ts";
import { Served, servedForFile, type Answer, type Call, type Route } from "./served.ts";

// Every route of the table × every kind of credential. A new route is in here without a line of test.

const folder = mkdtempSync(join(tmpdir(), "pawl-matrix-"));
const clock = new ShiftingClock();
const store = memoryStore({ clock });
const traces = traceIndex({ store, path: join(folder, "traces.db"), clock });
const on = servedForFile({ store, clock, traces });
after(async () => {
  await traces.close();
  rmSync(folder, { recursive: true });
});
let guarded: readonly Route[] = [];
/** Ids of tenant acme: what globex must not see. */
const own: Record<string, string> = {};

before(async () => {
  await traces.open();
  await on.open();
  guarded = on.routes.filter(({ role }) => role !== "public");
  const { key, id } = await on.key("acme", roles, { principal: "ada" });
  const started = await on.call("POST", "/api/v1/runs", {
    key,
    body: { agent: "payer", input: "Pay INV-7.", runId: "acme-run-1", threadId: "acme-thread-1" },
  });
  assert.equal(started.status, 201, started.text);
  const result = await on.app.run("acme-run-1", "acme").result();
  assert.equal(result.status, "awaiting_approval");
  const approvalId = result.status === "awaiting_approval" ? (result.approvals[0] ?? "") : "";
  const { rows } = await traces.spans({ tenant: "acme", runId: "acme-run-1" }, { from: 0, limit: 1 });
  Object.assign(own, {
    runId: "acme-run-1",
    threadId: "acme-thread-1",
    approvalId,
    callId: approvalId.split(":").at(-1),
    keyId: id,
    spanId: rows[0]?.spanId,
  });
});

function ask(route: Route, ids: { readonly [name: string]: string }, call: Call): Promise<Answer> {
  const body = bodyOf(route);
  return on.call(route.method, pathOf(route, ids), { ...call, ...(body !== undefined && { body }) });
}

const nameOf = ({ method, url }: Route): string => `${method} ${url}`;

test("the route table is the one that is served: it has runs, events, keys and sessions", () => {
  const names = on.routes.map(nameOf);
  for (const name of [
    "POST /api/v1/runs",
    "GET /api/v1/runs/:runId/events",
    "POST /api/v1/keys",
    "GET /api/v1/session",
  ])
    assert.ok(names.includes(name), name);
  const open = on.routes.filter(({ role }) => role === "public").map(nameOf);
  assert.deepEqual(
    open.toSorted(),
    [
      "GET /",
      "GET /docs",
      "GET /docs.css",
      "GET /livez",
      "GET /openapi.json",
      "GET /readyz",
      "GET /review/:token",
      "POST /api/v1/session",
      "POST /review/:token",
    ],
    "what is public is written down here",
  );
});

test("a route without a role, or with a body that takes unknown members, does not start", async () => {
  const other = new Served();
  assert.throws(() => other.server.app.get("/api/v1/forgotten", () => "open"), /names no role/);
  const body = z.object({ a: z.string() });
  const loose = { config: { role: "run" }, schema: { body } } as const;
  assert.throws(() => other.server.app.post("/api/v1/loose", loose, () => "open"), /strictObject/);
  await other.close();
});

test("E.3-1a: without a credential every route says the same, and nothing happens", async () => {
  const traces = await on.traces();
  for (const route of guarded) {
    for (const ids of [own, missing]) {
      // metrics are free for a scraper on this machine, so it is asked as through a proxy
      const answer = await ask(route, ids, { headers: { "x-forwarded-for": "10.0.0.1" } });
      assert.equal(answer.status, 401, nameOf(route));
      assert.equal(answer.code, "AUTH_MISSING", nameOf(route));
      assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/);
    }
  }
  assert.equal(await on.traces(), traces);
});

test("E.3-1b: wrong, malformed, expired and revoked keys are refused by every route with the same bytes", async () => {
  const traces = await on.traces();
  const expiring = await on.key("acme", roles, { expiresAt: on.clock.nowMs() + 1_000 });
  const revoked = await on.key("acme", roles);
  const rotated = await on.key("acme", roles);
  await on.server.gateway.keys.revoke("acme", revoked.id);
  await on.server.gateway.keys.rotate("acme", rotated.id, { createdBy: "test" });
  await on.clock.advance(5_000);
  const right = (await on.key("acme", roles)).key;
  const keys = {
    unknown: `pawl_000000000000_${"A".repeat(43)}`,
    "wrong secret": `${right.slice(0, -1)}${right.endsWith("A") ? "E" : "A"}`,
    short: right.slice(0, -1),
    long: `${right}A`,
    malformed: "pawl_x",
    foreign: "sk-something-else",
    expired: expiring.key,
    revoked: revoked.key,
    rotated: rotated.key,
  };
  const bodies = new Set<string>();
  for (const route of guarded) {
    for (const [name, key] of Object.entries(keys)) {
      const answer = await ask(route, own, { key });
      assert.equal(answer.status, 401, `${nameOf(route)} with the key that is ${name}`);
      bodies.add(answer.text);
    }
  }
  // a problem document, and the same words as OpenAI's and as Anthropic's clients know them
  assert.equal(bodies.size, 3, "nobody learns why a key is refused");
  assert.equal(await on.traces(), traces);
});

test("E.3-5: every role may call exactly the routes that it includes", async () => {
  const traces = await on.traces();
  for (const role of roles) {
    const { key } = await on.key("acme", [role]);
    for (const route of guarded) {
      if (nameOf(route) === "POST /api/v1/keys" && role === "admin") continue;
      const answer = await ask(route, missing, { key });
      const may = mayCall([role], route.role as Role);
      const what = `${role} on ${nameOf(route)}: ${answer.status} ${answer.text.slice(0, 200)}`;
      if (may) assert.ok(answer.status !== 401 && answer.status !== 403, what);
      else assert.equal(answer.code, "ROLE_MISSING", what);
      assert.ok(answer.code !== "REQUEST_INVALID" && answer.code !== "BODY_INVALID", `samples.ts: ${what}`);
      assert.ok(answer.status < 500, what);
    }
  }
  assert.equal(await on.traces(), traces, "no call of this test changed a run");
});

test("E.3-6: another tenant's ids look exactly like ids of nobody, on every route", async () => {
  const traces = await on.traces();
  const { key } = await on.key("globex", roles);
  const acme = await on.key("acme", roles);
  // agents and tools are code that every tenant has
  const withIds = guarded.filter(({ url }) => /:(?!agent|tool)/.test(url));
  assert.ok(withIds.length > 15, `${withIds.length} routes with ids`);
  for (const route of withIds) {
    const names = [...route.url.matchAll(/:(\w+)/g)].map(([, name]) => name ?? "");
    const [theirs, nobodys] = [await ask(route, own, { key }), await ask(route, missing, { key })];
    assert.equal(theirs.status, nobodys.status, nameOf(route));
    assert.equal(blank(theirs.text, own, names), blank(nobodys.text, missing, names), nameOf(route));
    assert.equal(theirs.status, 404, `${nameOf(route)}: ${theirs.text}`);
    assert.ok(!theirs.text.includes("ada"), nameOf(route));
    // the ids are real: their own tenant gets another answer for those that only look
    if (route.method !== "GET" || route.url.endsWith("events")) continue;
    const mine = await ask(route, own, { key: acme.key });
    const isNoGraph = route.url.includes("/graph") && mine.text.includes("which is no graph");
    const isKnown = mine.status === 200 || route.url.endsWith("/values/:hash") || isNoGraph;
    assert.ok(isKnown, `${nameOf(route)} for its owner: ${mine.status} ${mine.text.slice(0, 200)}`);
  }
  assert.equal(await on.traces(), traces, "globex changed nothing of acme");
});

test("E.3-6: listings, filters and cursors of one tenant never show another's", async () => {
  const { key } = await on.key("globex", roles);
  const acme = await on.key("acme", roles);
  const lists = guarded.filter(({ method, url }) => method === "GET" && !url.includes(":"));
  for (const route of lists) {
    const answer = await ask(route, {}, { key });
    for (const [name, id] of Object.entries(own)) {
      if (name === "callId" || name === "hash") continue;
      assert.ok(!answer.text.includes(id), `${nameOf(route)} shows ${name} ${id}`);
    }
  }
  const mine = await on.call("GET", "/api/v1/runs", { key: acme.key });
  assert.ok(mine.text.includes("acme-run-1"), "the owner sees it, so the test can fail");
  for (const query of ["tenant=acme", "agent=payer&tenant=acme", "thread=acme-thread-1", "cursor=x&tenant=acme"]) {
    const answer = await on.call("GET", `/api/v1/runs?${query}`, { key });
    assert.ok(!answer.text.includes("acme-run-1"), query);
  }
});

/** The text with its ids taken out: what is left must be the same. */
function blank(text: string, ids: { readonly [name: string]: string }, names: readonly string[]): string {
  return names
    .map((name) => ids[name] ?? missing[name] ?? "")
    .toSorted((a, b) => b.length - a.length)
    .reduce((rest, id) => rest.replaceAll(id, "ID"), text);
}
