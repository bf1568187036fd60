import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { webSearch } from "../../src/tools/builtin/web-search.ts";
import { callTool } from "./call-tool.ts";
import { httpServer } from "./http-server.ts";

const secret = (name: string): Promise<string> => Promise.resolve(`value-of-${name}`);

/** SearXNG's `/search?format=json`: 403 where JSON is not among its formats, null where a page has no text. */
function searxng({ url }: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(url ?? "/", "http://x");
  if (pathname !== "/searx/search" || searchParams.get("format") !== "json") return void response.writeHead(404).end();
  if (searchParams.get("q") === "html only") return void response.writeHead(403).end("<!doctype html>");
  if (searchParams.get("q") === "odd") return void response.end("<html>");
  const result = {
    engine: "duckduckgo",
    template: "default.html",
    parsed_url: [],
    engines: [],
    positions: [1],
    score: 1,
    category: "general",
  };
  const page = searchParams.get("pageno");
  response.setHeader("content-type", "application/json").end(
    JSON.stringify({
      query: searchParams.get("q"),
      number_of_results: 0,
      results: [
        { ...result, url: `https://a.example/${page}`, title: "Coffee &amp; tea", content: "A <b>cup</b> of coffee" },
        { ...result, url: "https://b.example/", title: "B", content: null },
        { ...result, url: "javascript:alert(1)", title: "C", content: "c" },
      ],
      answers: [],
      corrections: [],
      infoboxes: [],
      suggestions: ["tea"],
      unresponsive_engines: [["google", "CAPTCHA"]],
    }),
  );
}

/** Brave's `/res/v1/web/search`: packed, with the words that fit in <strong>, and its own form of an error. */
function brave({ url, headers }: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(url ?? "/", "http://x");
  const answer = (status: number, body: object): void => {
    response.writeHead(status, { "content-type": "application/json", "content-encoding": "gzip" });
    response.end(gzipSync(JSON.stringify(body)));
  };
  const fails = (status: number, code: string): void =>
    answer(status, { type: "ErrorResponse", error: { id: "1", status, code, detail: code } });
  if (pathname !== "/res/v1/web/search") return fails(404, "NOT_FOUND");
  if (headers["x-subscription-token"] !== "value-of-BRAVE") return fails(422, "SUBSCRIPTION_TOKEN_INVALID");
  if (searchParams.get("q") === "too many") return fails(429, "RATE_LIMITED");
  if (searchParams.get("q") === "nothing") return answer(200, { type: "search", query: { original: "nothing" } });
  const [count, offset] = [Number(searchParams.get("count")), Number(searchParams.get("offset"))];
  answer(200, {
    type: "search",
    query: { original: searchParams.get("q"), more_results_available: true },
    mixed: { type: "mixed", main: [] },
    web: {
      type: "search",
      results: Array.from({ length: count }, (_, i) => ({
        title: `Page ${offset * count + i}`,
        url: `https://example.com/${i}`,
        description: "About <strong>coffee</strong> &quot;beans&quot;",
        extra_snippets: [],
        page_age: "2026-01-15T00:00:00",
        profile: { name: "Example" },
      })),
    },
  });
}

test("SearXNG is asked for JSON, and gives titles, addresses and words", async (t) => {
  const port = await httpServer(t, searxng);
  const tool = webSearch({ engine: "searxng", url: `http://127.0.0.1:${port}/searx/` });
  assert.deepEqual(await callTool([tool], "web_search", { query: "coffee", page: 2 }), {
    results: [
      { title: "Coffee & tea", url: "https://a.example/2", text: "A cup of coffee" },
      { title: "B", url: "https://b.example/", text: "" },
    ],
  });
  assert.deepEqual(tool.capabilities, ["net:127.0.0.1"]);
  const html = callTool([tool], "web_search", { query: "html only" });
  await assert.rejects(html, { name: "NotApplied", message: /HTTP 403: its settings do not list json/ });
  await assert.rejects(callTool([tool], "web_search", { query: "odd" }), { code: "TOOL_FAILED" });
});

async function asking(t: TestContext, name: string) {
  const url = `http://127.0.0.1:${await httpServer(t, brave)}`;
  const tool = webSearch({ engine: "brave", secret: name, url });
  return (args: { [name: string]: string | number }) => callTool([tool], "web_search", args, { secret });
}

test("Brave is asked with the key, which only the tool sees", async (t) => {
  const search = await asking(t, "BRAVE");
  assert.deepEqual(await search({ query: "coffee beans", limit: 2, page: 3 }), {
    results: [4, 5].map((n, i) => ({
      title: `Page ${n}`,
      url: `https://example.com/${i}`,
      text: 'About coffee "beans"',
    })),
  });
  assert.deepEqual(await search({ query: "nothing" }), { results: [] });
  await assert.rejects(search({ query: "too many" }), { code: "TOOL_FAILED", message: /HTTP 429/ });
  const wrongKey = await asking(t, "OTHER");
  await assert.rejects(wrongKey({ query: "x" }), (error: Error) => {
    assert.match(error.message, /HTTP 422: it refused the query or the key/);
    assert.doesNotMatch(error.message, /value-of/);
    return true;
  });
});

test("what a search carries out is declared", () => {
  const tool = webSearch({ engine: "brave", secret: "BRAVE" });
  assert.deepEqual(tool.capabilities, ["net:api.search.brave.com", "secret:BRAVE"]);
  assert.deepEqual(tool.flow, { sinks: { query: "content" }, egress: true });
  assert.deepEqual(webSearch({ engine: "brave", secret: "BRAVE", costUsd: 0.005 }).cost, { nanoUsdMax: 5_000_000 });
  for (const url of ["search.example", "ftp://x.example"])
    assert.throws(() => webSearch({ engine: "searxng", url }), { code: "OPTION_INVALID" });
});
