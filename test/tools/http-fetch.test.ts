import assert from "node:assert/strict";
import type { IncomingHttpHeaders, RequestListener } from "node:http";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { limits } from "../../src/core/limits.ts";
import { httpFetch, type HttpFetchOptions } from "../../src/tools/builtin/http-fetch.ts";
import { callTool } from "./call-tool.ts";
import { dnsServer } from "./dns-server.ts";
import { httpServer } from "./http-server.ts";

type Answer = { readonly [name: string]: unknown };

async function onThisMachine(t: TestContext, listener: RequestListener, options: Partial<HttpFetchOptions> = {}) {
  const port = await httpServer(t, listener);
  const { resolve } = await dnsServer(t, {
    "docs.test": [["127.0.0.1"]],
    "a.docs.test": [["127.0.0.1"]],
    "evil.test": [["127.0.0.1"]],
  });
  const tool = httpFetch({
    hosts: ["docs.test", "*.docs.test"],
    ports: [port],
    allowPrivate: true,
    resolve,
    ...options,
  });
  const get = async (path: string, host = "docs.test", more: Answer = {}): Promise<Answer> =>
    (await callTool([tool], "http_fetch", { url: `http://${host}:${port}${path}`, ...more } as never, {
      secret: (name) => Promise.resolve(`value-of-${name}`),
    })) as Answer;
  return { port, get, tool };
}

const refused = (words: RegExp) => (error: Error) => {
  assert.equal(error.name, "NotApplied", `${error.name}: ${error.message}`);
  assert.match(error.message, words);
  return true;
};

test("a page comes as a person would read it, and what is hidden is left out and counted", async (t) => {
  const html = `<html><head><title>Prices</title><meta name="x" content="SEEN"><style>.a{} SEEN</style></head><body>
    <h1>Coffee</h1><!-- SEEN --><p>A cup costs <b>3</b> euro.</p><script>SEEN</script>
    <p hidden>SEEN</p><div style="display: none">SEEN<br>SEEN</div><span style="opacity:0">SEEN</span><i aria-hidden="true">SEEN</i>
    <p style="font-size:0px">SEEN</p><p style="position:absolute;left:-9999px">SEEN</p><template>SEEN</template>
    <img src="http://evil.test/?q=SEEN" alt="SEEN"><noscript>SEEN</noscript>
    <p style="opacity:0.9;margin-left:-10px">More at <a href="/menu?x=1#y">the menu</a>, ![x](http://evil.test/p.png) [here](javascript:alert).</p></body></html>`;
  const { get, port } = await onThisMachine(t, (_, response) =>
    response.setHeader("content-type", "text/html; charset=utf-8").end(html),
  );
  const { text, links, removed, status } = await get("/");
  assert.equal(status, 200);
  assert.doesNotMatch(String(text), /SEEN|evil|javascript/);
  assert.equal(String(text), "# Prices\n# Coffee\nA cup costs 3 euro.\nMore at the menu,  here.");
  assert.deepEqual(links, [{ text: "the menu", url: `http://docs.test:${port}/menu?x=1#y` }]);
  assert.deepEqual(removed, {
    meta: 1,
    style: 1,
    comment: 1,
    script: 1,
    "hidden element": 6,
    template: 1,
    alt: 1,
    noscript: 1,
    "markdown image": 1,
  });
});

test("E.3-27: no spelling of an address of this machine, its network or a cloud's metadata is asked", async (t) => {
  const port = await httpServer(t, (_, response) => void response.end("inside"));
  const spellings =
    "127.0.0.1 [::1] 0 0177.1 2130706433 0x7f.1 [::ffff:127.0.0.1] 169.254.169.254 [fd00:ec2::254] 100.100.100.200 10.0.0.1 172.16.0.1 192.168.1.1 169.254.1.1 [fe80::1] [64:ff9b::7f00:1] localhost localhost.";
  const literals = ["127.0.0.1", "0.0.0.0", "::1", "169.254.169.254", "10.0.0.1", "::ffff:7f00:1", "fd00:ec2::254"];
  const tool = httpFetch({ hosts: ["*", "localhost", ...literals], ports: [port] });
  for (const host of spellings.split(" ")) {
    await assert.rejects(
      callTool([tool], "http_fetch", { url: `http://${host}:${port}/` }),
      refused(host === "localhost." ? /may not be asked|cannot be found/ : /may not be asked/),
      host,
    );
  }
});

test("E.3-28: a name is looked up once for a connection, and each of its addresses must be public", async (t) => {
  const port = await httpServer(t, (_, response) => void response.end("inside"));
  const { resolve, asked } = await dnsServer(t, {
    "rebind.test": [["127.0.0.1"], ["93.184.216.34"]],
    "both.test": [["93.184.216.34", "127.0.0.1"]],
  });
  const tool = httpFetch({ hosts: ["*"], ports: [port], resolve });
  for (const host of ["rebind.test", "both.test", "missing.test"])
    await assert.rejects(
      callTool([tool], "http_fetch", { url: `http://${host}:${port}/` }),
      refused(/not at a public address|cannot be found/),
    );
  assert.equal(asked.get("rebind.test"), 1);
});

test("E.3-29: credentials, control characters, other schemes and ports, and hosts that are not listed are refused", async (t) => {
  const { get, port, tool } = await onThisMachine(t, (request, response) => {
    const to = new URL(request.url ?? "/", "http://x").searchParams.get("to") ?? "";
    response.writeHead(302, { location: to }).end();
  });
  const refusals: readonly (readonly [url: string, why: RegExp])[] = [
    [`http://user:pass@docs.test:${port}/`, /name or password/],
    [`http://docs.test:${port}/a\r\nX-Evil: 1`, /control character/],
    [`http://docs.test\u0000.evil.test:${port}/`, /control character/],
    [`http://docs.test%00.evil.test:${port}/`, /no URL/],
    ["file:///etc/passwd", /scheme/],
    ["gopher://docs.test/", /scheme/],
    ["http://docs.test:22/", /port 22/],
    ["http://evil.test/", /host "evil.test" may not be asked\. Allowed: docs\.test/],
    ["http://docs.test.evil.test/", /may not be asked/],
    ["http://notdocs.test/", /may not be asked/],
    ["/only/a/path", /no URL/],
  ];
  for (const [url, why] of refusals) {
    await assert.rejects(callTool([tool], "http_fetch", { url }), refused(why), url);
    if (url.startsWith("/") || why.source.includes("no URL")) continue;
    if (!/[\r\n\0]/.test(url)) await assert.rejects(get(`/?to=${encodeURIComponent(url)}`), refused(why), `to ${url}`);
  }
  await assert.rejects(get("/?to=%2F%3Fto%3D%252F"), refused(/redirects more than 5 times/));
});

test("E.3-29: a redirect to a private address is refused, and an error says nothing about ports", async (t) => {
  const port = await httpServer(
    t,
    (_, response) => void response.writeHead(302, { location: "http://10.0.0.1/" }).end(),
  );
  const tool = httpFetch({
    hosts: ["docs.test", "10.0.0.1"],
    ports: [port, 1],
    resolve: () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]),
  });
  const messages = await Promise.all(
    [port, 1].map((one) => callTool([tool], "http_fetch", { url: `http://docs.test:${one}/` }).catch(String)),
  );
  assert.equal(messages[0], messages[1]);
});

test("E.3-30: an answer is cut at its limit, packed or not, and a bomb is not unpacked further", async (t) => {
  const large = "x".repeat(limits.webBytes * 40);
  const bomb = gzipSync(large);
  assert.ok(bomb.byteLength < limits.webBytes / 10);
  const { get } = await onThisMachine(t, (request, response) => {
    response.setHeader("content-type", "text/plain");
    if (request.url === "/gzip") response.setHeader("content-encoding", "gzip").end(bomb);
    else if (request.url === "/odd") response.setHeader("content-encoding", "zstd").end("x");
    else if (request.url === "/broken") response.setHeader("content-encoding", "gzip").end("no gzip");
    else if (request.url === "/binary") response.setHeader("content-type", "image/png").end("x");
    else if (request.url === "/error") response.writeHead(503).end("x");
    else response.end(large);
  });
  for (const path of ["/gzip", "/plain"]) {
    const answer = await get(path, "docs.test", { start: limits.partChars });
    assert.equal(answer.chars, limits.webBytes);
    assert.equal(answer.cut, `after ${limits.webBytes} bytes`);
    assert.equal(answer.next, 2 * limits.partChars);
    assert.equal(String(answer.text).length, limits.partChars);
  }
  await assert.rejects(get("/odd"), refused(/packed as "zstd"/));
  await assert.rejects(get("/binary"), refused(/not text/));
  await assert.rejects(get("/broken"), { code: "TOOL_FAILED" });
  await assert.rejects(get("/error"), { code: "TOOL_FAILED" });
});

test("E.3-30: an answer that never ends stops with the call's signal", async (t) => {
  const port = await httpServer(
    t,
    (_, response) => void response.writeHead(200, { "content-type": "text/plain" }).write("x"),
  );
  const tool = httpFetch({ hosts: ["127.0.0.1"], ports: [port], allowPrivate: true });
  const stop = new AbortController();
  const reading = callTool([tool], "http_fetch", { url: `http://127.0.0.1:${port}/` }, { signal: stop.signal });
  setImmediate(() => stop.abort());
  await assert.rejects(reading);
});

test("E.3-31: a secret goes to its host only, and not after a redirect to another origin, nor back", async (t) => {
  const seen: (readonly [host: string, IncomingHttpHeaders])[] = [];
  const { get, port } = await onThisMachine(
    t,
    (request, response) => {
      seen.push([String(request.headers.host).split(":")[0] ?? "", request.headers]);
      if (request.url === "/there") response.writeHead(302, { location: `http://a.docs.test:${port}/back` }).end();
      else if (request.url === "/back") response.writeHead(307, { location: `http://docs.test:${port}/end` }).end();
      else response.setHeader("content-type", "text/plain").end("done");
    },
    { auth: [{ host: "docs.test", secret: "TOKEN" }] },
  );
  assert.equal((await get("/there")).text, "done");
  const sent = seen.map(([host, { authorization }]) => [host, authorization]);
  assert.deepEqual(sent, [
    ["docs.test", "Bearer value-of-TOKEN"],
    ["a.docs.test", undefined],
    ["docs.test", undefined],
  ]);
  await get("/end", "a.docs.test");
  assert.equal(seen.at(-1)?.[1].authorization, undefined);
});

test("a host that the run was not granted is refused, also as the place of a redirect", async (t) => {
  const { port, tool } = await onThisMachine(t, (_, response) =>
    response.writeHead(302, { location: `http://a.docs.test:${port}/` }).end(),
  );
  const may = (capability: string): boolean => capability === "net:docs.test";
  const fetched = callTool([tool], "http_fetch", { url: `http://docs.test:${port}/` }, { may });
  await assert.rejects(fetched, refused(/not granted host "a\.docs\.test"/));
});

test("what may be read is declared: hosts and secrets are capabilities, the URL is a destination", () => {
  const tool = httpFetch({ hosts: ["*.docs.test"], auth: [{ host: "a.docs.test", secret: "TOKEN" }] });
  assert.deepEqual(tool.capabilities, ["net:*.docs.test", "secret:TOKEN"]);
  assert.deepEqual(tool.flow, { sinks: { url: "destination" }, egress: true });
  for (const host of ["*.com", "*.", "Docs.test", "a..b", "http://a.test", "*.*.test", ""])
    assert.throws(() => httpFetch({ hosts: [host] }), { code: "OPTION_INVALID" }, host);
  assert.throws(() => httpFetch({ hosts: [] }), { code: "OPTION_INVALID" });
});
