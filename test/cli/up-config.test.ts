import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { checkedGateway } from "../../src/cli/gateway-export.ts";
import { redactor, secretRules } from "../../src/traces.ts";
import { OtlpReceiver } from "../traces/otlp-receiver.ts";
import { project } from "./projects.ts";
import type { Folder, Started } from "./terminal.ts";

// What an operator says in pawl.config.ts, over real HTTP: limits, an identity provider, a receiver of spans.

const words = ["up", "--port", "0", "--no-open", "--no-console", "--json"];
const pair = await generateKeyPair("ES256");

/** An identity provider's keys. */
const issuer = createServer((_request, response) => {
  void exportJWK(pair.publicKey).then((jwk) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: [{ ...jwk, kid: "k1", alg: "ES256", use: "sig" }] }));
  });
});
const receiver = new OtlpReceiver();
after(async () => {
  await receiver.close();
  issuer.closeAllConnections();
  issuer.close();
});

async function jwksUrl(): Promise<string> {
  if (!issuer.listening) {
    await new Promise<void>((resolve) => {
      issuer.listen(0, "127.0.0.1", resolve);
    });
  }
  const at = issuer.address();
  return `http://127.0.0.1:${typeof at === "object" && at !== null ? at.port : 0}/jwks`;
}

function token(tenant: string): Promise<string> {
  return new SignJWT({ tenant, roles: ["run", "read"] })
    .setProtectedHeader({ alg: "ES256", kid: "k1" })
    .setIssuer("https://id.example")
    .setAudience("pawl")
    .setSubject("ada@example.com")
    .setIssuedAt()
    .setExpirationTime("5m")
    .sign(pair.privateKey);
}

/** An agent whose provider bills 200,000 tokens for each answer. */
const greeter = `
const greeter = agent({ name: "greeter", model: "test/greeter", instructions: "Greet." });
const models = scriptedModel([{
  text: "Hello.",
  usage: { inputTokens: 199_000, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 1_000, reasoningTokens: 0 },
}]);
`;

function configured(gateway: string): Folder {
  return project(`${greeter}\nexport const gateway = ${gateway};\n`, "agents: [greeter], models");
}

async function told(process: Started): Promise<string> {
  const text = await process.says(/\{"url".*\}/);
  const { url } = JSON.parse(/\{"url".*\}/.exec(text)?.[0] ?? "") as { readonly url: string };
  return url;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | null;
}

async function ask(url: string, key: string | null, body?: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: { ...(key !== null && { authorization: `Bearer ${key}` }), "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text(), retryAfter: response.headers.get("retry-after") };
}

async function metric(url: string, name: string): Promise<number> {
  const { text } = await ask(`${url}/metrics`, null);
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}

/** The time limit of the test bounds it. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await wait(50);
}

test("limits, tokens and the export of the configuration hold over HTTP, and over a restart", async () => {
  const to = await receiver.listen();
  const folder = configured(`{
    limits: { tenants: { acme: { tokensPerDay: 100_000 }, small: { tokensPerDay: 50 } } },
    jwt: { issuer: "https://id.example", audience: "pawl", jwksUrl: ${JSON.stringify(await jwksUrl())} },
    otlp: { url: ${JSON.stringify(to)}, headers: { "x-team": process.env.TEAM_KEY } },
  }`);
  receiver.answer = (_spans, response) => {
    response.statusCode = 503;
    response.end();
    return "not";
  };
  const first = folder.start(words, { TEAM_KEY: "from-the-environment" });
  const url = await told(first);
  const [acme, small] = [await token("acme"), await token("small")];
  const start = (runId: string, key: string): Promise<Answer> =>
    ask(`${url}/api/v1/runs`, key, { agent: "greeter", input: "x".repeat(400), runId });
  const result = (runId: string, key: string): Promise<Answer> =>
    ask(`${url}/api/v1/runs/${runId}/result?waitMs=30000`, key);

  assert.equal((await ask(`${url}/api/v1/runs`, "eyJub25zZW5zZQ.e30.x")).status, 401);
  assert.equal((await start("fits", acme)).status, 201);
  assert.match((await result("fits", acme)).text, /"status":"completed"/);
  let refused = await start("over-0", acme);
  for (let i = 1; refused.status === 201; i++) {
    // what the first one used is settled beside its end
    await wait(50);
    refused = await start(`over-${i}`, acme);
  }
  assert.equal(refused.status, 429, "nothing is left of the day");
  assert.match(refused.text, /RATE_LIMITED.*tokens a day of this tenant|tokens a day of this tenant.*RATE_LIMITED/);
  assert.ok(Number(refused.retryAfter) > 0);
  assert.equal((await start("little", small)).status, 201, "something is left");
  assert.match((await result("little", small)).text, /"status":"awaiting_budget"/, "but not a call's worst case");

  await until(async () => (await metric(url, "pawl_otlp_failures_total")) > 0);
  assert.ok((await metric(url, "pawl_otlp_pending")) > 0);
  assert.ok((await metric(url, "pawl_otlp_last_error_timestamp_seconds")) > 1e9);
  receiver.answer = (_spans, response) => {
    response.end("{}");
    return "received";
  };
  await until(async () => (await metric(url, "pawl_otlp_pending")) === 0);
  const exported = await metric(url, "pawl_otlp_exported_spans_total");
  assert.equal(exported, receiver.spans.length);
  assert.ok(receiver.spans.some(({ name }) => name.includes("greeter")));
  assert.ok(!JSON.stringify(receiver.spans).includes("Hello."), "what was said is not exported unless asked for");
  assert.equal(receiver.headers.at(-1)?.["x-team"], "from-the-environment");
  first.child.kill("SIGTERM");
  assert.equal((await first.ended).code, 0);

  const second = folder.start(words, { TEAM_KEY: "from-the-environment" });
  const again = await told(second);
  const other = await ask(`${again}/api/v1/runs`, await token("other"), { agent: "greeter", input: "x", runId: "o" });
  assert.equal(other.status, 201, other.text);
  await until(async () => (await metric(again, "pawl_otlp_exported_spans_total")) > exported);
  await until(async () => (await metric(again, "pawl_otlp_pending")) === 0);
  const ids = receiver.spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`);
  assert.equal(new Set(ids).size, ids.length, "nothing that was acknowledged is sent again");
  assert.deepEqual(receiver.problems, []);
  second.child.kill("SIGTERM");
  assert.equal((await second.ended).code, 0);
});

test("every command that executes runs of the configuration counts against its limits", async () => {
  const folder = configured(`{ limits: { tenant: { tokensPerDay: 50 } } }`);
  const ended = await folder.pawl("run", "greeter", "x".repeat(400));
  assert.equal(ended.code, 3, ended.out + ended.err);
  assert.match((await folder.pawl("runs", "--json")).out, /"awaiting_budget"/);
});

test("a flag goes before the configuration, and that holds where there is none", async () => {
  const folder = configured(
    `{ publicUrl: "https://configured.example", hosts: ["extra.example"], proxies: undefined }`,
  );
  const statusAt = (url: string, host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(`${url}/livez`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on("error", reject);
      sent.end();
    });
  for (const [flags, taken, refused] of [
    [[], "configured.example", "flag.example"],
    [["--public-url", "https://flag.example"], "flag.example", "configured.example"],
  ] as const) {
    const running = folder.start([...words, ...flags]);
    const url = await told(running);
    assert.equal(await statusAt(url, taken), 200);
    assert.equal(await statusAt(url, "extra.example"), 200);
    assert.notEqual(await statusAt(url, refused), 200);
    running.child.kill("SIGTERM");
    assert.equal((await running.ended).code, 0);
  }
});

test("a wrong gateway export is refused with its path, what was got and what is allowed, before anything starts", async () => {
  const folder = configured(`{ limits: { tenant: { tokenPerDay: 5 } } }`);
  for (const command of [words, ["run", "greeter", "x"]]) {
    const ended = await folder.pawl(...command);
    assert.equal(ended.code, 2, ended.err);
    assert.match(
      ended.err,
      /CONFIG_INVALID: ".*pawl\.config\.ts".*gateway\.limits\.tenant has "tokenPerDay"; allowed: .*tokensPerDay/,
    );
  }
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [null, /gateway is null; allowed: an object such as/],
    [() => undefined, /gateway is a function/],
    [{ limit: {} }, /gateway has "limit"; allowed: limits, jwt, publicUrl, hosts, proxies, otlp/],
    [
      { limits: { key: { startsPerMinute: "60" } } },
      /gateway\.limits\.key\.startsPerMinute is "60"; allowed: a number above 0/,
    ],
    [
      { limits: { tenants: { acme: { costUsdPerDay: 0 } } } },
      /gateway\.limits\.tenants\.acme\.costUsdPerDay is 0; allowed/,
    ],
    [
      { limits: { tenants: { acme: { cost: 1 } } } },
      /gateway\.limits\.tenants\.acme has "cost"; allowed: requestsPerS/,
    ],
    [{ limits: { tenant: { tokensPerDay: 1.5 } } }, /tokensPerDay is 1\.5; allowed: a whole number/],
    [{ jwt: { issuer: "i", audience: "a" } }, /gateway\.jwt\.jwksUrl is undefined; allowed: the address/],
    [{ publicUrl: "pawl.example" }, /gateway\.publicUrl is "pawl\.example"; allowed: an http\(s\) address/],
    [{ hosts: ["https://pawl.example"] }, /gateway\.hosts\.0 is "https:\/\/pawl\.example"; allowed: a host/],
    [{ proxies: ["10.0.0.0/33"] }, /gateway\.proxies\.0 is "10\.0\.0\.0\/33"; allowed: an address/],
    [{ otlp: {} }, /gateway\.otlp\.url is undefined; allowed/],
    [
      { otlp: { url: "http://127.0.0.1:1", headers: { authorization: undefined } } },
      /headers\.authorization is undefined; .*environment/,
    ],
    [
      { otlp: { url: "http://127.0.0.1:1", redact: /x/ } },
      /gateway\.otlp\.redact is an object; allowed: what redactor/,
    ],
  ];
  for (const [exported, message] of wrong)
    assert.throws(() => checkedGateway("pawl.config.ts", exported), { code: "CONFIG_INVALID", message });
  const secret = { otlp: { url: "http://127.0.0.1:1", headers: { authorization: "s3cret\n" } } };
  assert.throws(
    () => checkedGateway("pawl.config.ts", secret),
    (error) => !String(error).includes("s3cret"),
  );
});

test("what the types allow is taken as it is; members that are undefined count as left out", () => {
  const redact = redactor(secretRules);
  const whole = {
    limits: { key: { requestsPerS: null }, tenant: { costUsdPerDay: 0.5 }, tenants: {}, addressRequestsPerS: 5 },
    jwt: { issuer: "i", audience: "a", jwksUrl: "https://id.example/jwks", roleNames: { boss: "admin" } },
    publicUrl: "https://pawl.example",
    hosts: ["pawl.example:8443"],
    proxies: ["10.0.0.0/8", "::1"],
    otlp: { url: "https://otlp.example/v1/traces", headers: { "x-key": "k" }, content: true, redact },
  };
  const taken = checkedGateway("pawl.config.ts", { ...whole, jwt: { ...whole.jwt, tenantClaim: undefined } });
  assert.deepEqual(Object.keys(taken.jwt ?? {}), Object.keys(whole.jwt));
  assert.deepEqual(taken.limits, whole.limits);
  assert.equal(taken.otlp?.redact?.text, redact.text);
  class Own {
    isFixed = false;
    text = redact.text;
    json(): null {
      return null;
    }
  }
  const own = { otlp: { ...whole.otlp, redact: new Own() } };
  assert.equal(checkedGateway("pawl.config.ts", own).otlp?.redact, own.otlp.redact);
  assert.deepEqual(checkedGateway("pawl.config.ts", { jwt: undefined, otlp: undefined }), {});
});
