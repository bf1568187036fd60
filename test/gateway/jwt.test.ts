import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT, type JWK } from "jose";
import { Tokens, type JwtOptions } from "../../src/gateway/jwt.ts";
import { served, type Served } from "./served.ts";

// Tokens of an identity provider, from a real JWKS endpoint.

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

let issuer: Server;
let jwksUrl = "";
let fetches = 0;
let pair: Pair;
let stranger: Pair;

before(async () => {
  [pair, stranger] = [await generateKeyPair("ES256"), await generateKeyPair("ES256")];
  const jwk: JWK = { ...(await exportJWK(pair.publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  issuer = createServer((_request, response) => {
    fetches++;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => {
    issuer.listen(0, "127.0.0.1", resolve);
  });
  const address = issuer.address();
  jwksUrl = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/jwks`;
});
after(() => {
  issuer.close();
  issuer.closeAllConnections();
});

const options = (): JwtOptions => ({ issuer: "https://id.example", audience: "pawl", jwksUrl });

interface TokenOptions {
  readonly claims?: { readonly [name: string]: unknown };
  readonly key?: Pair["privateKey"] | Uint8Array;
  readonly header?: { readonly alg?: string; readonly kid?: string };
  readonly issuer?: string;
  readonly audience?: string;
  readonly expires?: string | number | null;
  readonly subject?: string | null;
}

function token(given: TokenOptions = {}): Promise<string> {
  const jwt = new SignJWT({ tenant: "acme", roles: ["run", "review"], ...given.claims })
    .setProtectedHeader({ alg: "ES256", kid: "k1", ...given.header })
    .setIssuer(given.issuer ?? "https://id.example")
    .setAudience(given.audience ?? "pawl")
    .setIssuedAt();
  if (given.expires !== null) jwt.setExpirationTime(given.expires ?? "5m");
  if (given.subject !== null) jwt.setSubject(given.subject ?? "ada@example.com");
  return jwt.sign(given.key ?? pair.privateKey);
}

const ask = (on: Served, key: string) => on.call("GET", "/api/v1/session", { key });

test("a good token says tenant, principal and roles; its keys are fetched once", async (t) => {
  const on = await served(t, { jwt: options() });
  fetches = 0;
  for (let i = 0; i < 5; i++) {
    const answer = await ask(on, await token());
    assert.equal(answer.status, 200, answer.text);
    assert.match(
      answer.text,
      /"tenant":"acme","principal":"ada@example.com","roles":\["run","review"\],"keyId":null,"kind":"token"/,
    );
  }
  assert.equal(fetches, 1);
  const start = await on.call("POST", "/api/v1/runs", { key: await token(), body: { agent: "greeter", input: "x" } });
  assert.equal(start.status, 201);
  assert.match(start.text, /"principal":"ada@example.com"/);
});

test("every other token is refused with the same words: signer, algorithm, issuer, audience, time, claims", async (t) => {
  const on = await served(t, { jwt: options() });
  const none = [
    Buffer.from('{"alg":"none","kid":"k1"}').toString("base64url"),
    Buffer.from(
      JSON.stringify({
        iss: "https://id.example",
        aud: "pawl",
        sub: "ada",
        tenant: "acme",
        roles: ["admin"],
        exp: 9_999_999_999,
      }),
    ).toString("base64url"),
    "",
  ].join(".");
  const publicText = new TextEncoder().encode(JSON.stringify(await exportJWK(pair.publicKey)));
  const good = await token();
  const wrong = {
    "another signer": await token({ key: stranger.privateKey }),
    "no algorithm": none,
    "the public key as a shared secret": await token({ key: publicText, header: { alg: "HS256" } }),
    "another issuer": await token({ issuer: "https://evil.example" }),
    "another audience": await token({ audience: "other" }),
    expired: await token({ expires: Math.floor(Date.now() / 1000) - 60 }),
    "without end": await token({ expires: null }),
    "without subject": await token({ subject: null }),
    "changed payload": good.replace(/\.[^.]+\./, `.${Buffer.from('{"tenant":"globex"}').toString("base64url")}.`),
    "an unknown key": await token({ header: { kid: "k9" } }),
    "no token": "a.b.c",
  };
  const texts = new Set<string>();
  for (const [name, text] of Object.entries(wrong)) {
    const answer = await ask(on, text);
    assert.equal(answer.status, 401, `${name}: ${answer.text}`);
    texts.add(answer.text);
  }
  assert.equal(texts.size, 1);
});

test("a token without a tenant is an error, never a default; a tenant of several or of no id is one too", async (t) => {
  const on = await served(t, { jwt: options() });
  for (const tenant of [undefined, "", null, ["acme"], 7, {}]) {
    const answer = await ask(on, await token({ claims: { tenant } }));
    assert.equal(answer.code, "AUTH_INVALID", JSON.stringify(tenant));
    assert.match(answer.text, /tenant/);
  }
  for (const tenant of ["~gateway", "a/b", "acme\nglobex", "x".repeat(200)]) {
    const answer = await ask(on, await token({ claims: { tenant } }));
    assert.ok(answer.status === 400 || answer.status === 401, `${tenant}: ${answer.status}`);
  }
});

test("roles come from the configured claim and names; unknown ones give nothing", async (t) => {
  const on = await served(t, {
    jwt: { ...options(), tenantClaim: "org", rolesClaim: "scope", roleNames: { "pawl:write": "run" } },
  });
  const of = async (claims: { readonly [name: string]: unknown }) => ask(on, await token({ claims }));
  assert.match((await of({ org: "acme", scope: "pawl:write openid read" })).text, /"roles":\["run","read"\]/);
  assert.equal((await of({ org: "acme", scope: "openid toString" })).code, "ROLE_MISSING");
  assert.equal((await of({ org: "acme", roles: ["admin"] })).code, "ROLE_MISSING", "the default claim is not asked");
  assert.match((await of({ tenant: "acme", scope: "read" })).text, /no claim \\"org\\"/);
});

test("a provider that cannot be reached is a 503, not a refusal", async (t) => {
  const on = await served(t, { jwt: { ...options(), jwksUrl: "http://127.0.0.1:9/jwks" } });
  const answer = await ask(on, await token());
  assert.equal(answer.status, 503, answer.text);
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  const { key } = await on.key("acme", ["read"]);
  assert.equal((await ask(on, key)).status, 200, "API keys go on");
});

test("a stream of a token ends when the token does", async (t) => {
  const on = await served(t, { jwt: options() });
  await on.app.start("payer", { tenant: "acme", runId: "watched", input: "Pay.", principal: "ada" });
  const stream = await fetch(`${on.url}/api/v1/runs/watched/events`, {
    headers: { authorization: `Bearer ${await token({ expires: "1m" })}`, accept: "text/event-stream" },
  });
  assert.equal(on.server.gateway.streams.size, 1);
  on.clock.setDate(120_000);
  await on.clock.advance(3_000);
  await stream.text();
  assert.equal(on.server.gateway.streams.size, 0);
});

test("options that would be unsafe are refused when the gateway is made", () => {
  for (const wrong of [
    { issuer: "" },
    { audience: "" },
    { jwksUrl: "http://id.example/jwks" },
    { jwksUrl: "file:///etc/keys" },
    { algorithms: ["HS256"] },
    { algorithms: ["none"] },
    { algorithms: [] },
  ])
    assert.throws(() => new Tokens({ ...options(), ...wrong }), /jwt option/, JSON.stringify(wrong));
});
