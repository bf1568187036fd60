import { z } from "zod";
import { notApplied, PawlError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { ToolContext, ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";
import { htmlLines } from "./html-lines.ts";
import { webClient, type WebAnswer } from "./web-client.ts";

/** A key's name in pawl({ secrets }), never the key. `costUsd`: what a search costs, taken from budgets before it is made. */
export type WebSearchOptions = { readonly costUsd?: number } & (
  | {
      readonly engine: "searxng";
      /** Of the instance, as `http://127.0.0.1:8888`; its settings must list `json` under search.formats. */
      readonly url: string;
    }
  | { readonly engine: "brave"; readonly secret: string; readonly url?: string }
);

interface Found {
  readonly title: string;
  readonly url: string;
  readonly text: string;
}
interface Engine {
  request(query: string, count: number, page: number): URL;
  readonly answer: z.ZodType<readonly Found[]>;
  /** What an error of its own means. */
  readonly hints: Readonly<Record<number, string>>;
}

const text = z
  .string()
  .nullish()
  .transform((value) => plain(value ?? ""));

function engineOf(options: WebSearchOptions): Engine {
  const base = URL.parse(options.url ?? "https://api.search.brave.com");
  if (base === null || !/^https?:$/.test(base.protocol))
    throw new PawlError(
      "OPTION_INVALID",
      `web_search: url is ${JSON.stringify(options.url)}. Give one, as "https://search.example.com".`,
    );
  const at = (path: string, parameters: Record<string, string>): URL => {
    const url = new URL(`${base.pathname.replace(/\/$/, "")}${path}`, base);
    url.search = new URLSearchParams(parameters).toString();
    return url;
  };
  if (options.engine === "searxng") {
    const result = z.object({ title: text, url: z.string(), content: text });
    return {
      request: (q, _, page) => at("/search", { q, format: "json", pageno: String(page) }),
      answer: z
        .object({ results: z.array(result) })
        .transform(({ results }) => results.map(({ title, url, content }) => ({ title, url, text: content }))),
      hints: { 403: "its settings do not list json under search.formats" },
    };
  }
  const result = z.object({ title: text, url: z.string(), description: text });
  return {
    request: (q, count, page) => at("/res/v1/web/search", { q, count: String(count), offset: String(page - 1) }),
    answer: z
      .object({ web: z.object({ results: z.array(result) }).nullish() })
      .transform(({ web }) =>
        (web?.results ?? []).map(({ title, url, description }) => ({ title, url, text: description })),
      ),
    hints: { 401: "it refused the key", 422: "it refused the query or the key" },
  };
}

/**
 * The tool `web_search`: asks SearXNG or Brave. Whoever configures it names the host, so that may be one of this network.
 * @throws OPTION_INVALID
 */
export function webSearch(options: WebSearchOptions): ToolDefinition {
  const engine = engineOf(options);
  const { hostname, port } = engine.request("x", 1, 1);
  const host = hostname.replace(/^\[|\]$/g, "");
  const read = webClient("web_search", { hosts: [host], ports: [Number(port)], allowPrivate: true });
  return tool({
    name: "web_search",
    version: "1",
    description:
      "Searches the web: titles, addresses and a few words of the pages that fit best. Read a page to know what it says.",
    inputSchema: z.object({
      query: z.string().trim().min(1).max(limits.searchQueryChars).describe("What to search for"),
      limit: z.int().min(1).max(limits.searchResults).default(10).describe("Results to return"),
      page: z.int().min(1).max(10).default(1),
    }),
    effect: "pure",
    flow: { sinks: { query: "content" }, egress: true },
    capabilities: [`net:${host}`, ...(options.engine === "brave" ? [`secret:${options.secret}`] : [])],
    timeLimitMs: limits.webTimeMs,
    ...(options.costUsd !== undefined && { costUsd: options.costUsd }),
    execute: async ({ query, limit, page }, ctx) => {
      const answer = await read({
        method: "GET",
        url: engine.request(query, limit, page).href,
        headers: { accept: "application/json", "user-agent": "pawl" },
        originHeaders: await keyOf(options, ctx),
        may: (capability) => ctx.may(capability),
        signal: ctx.signal,
      });
      return { results: found(engine, answer).slice(0, limit) };
    },
  });
}

async function keyOf(options: WebSearchOptions, ctx: ToolContext): Promise<Readonly<Record<string, string>>> {
  return options.engine === "brave" ? { "x-subscription-token": await ctx.secret(options.secret) } : {};
}

function found({ answer, hints }: Engine, { url, status, bytes }: WebAnswer): readonly Found[] {
  if (status === 429 || status >= 500)
    throw new PawlError("TOOL_FAILED", `the search engine at ${url.host} answered with HTTP ${status}.`);
  if (status !== 200)
    throw notApplied(
      `the search engine at ${url.host} answered with HTTP ${status}: ${hints[status] ?? "it does not take the query"}.`,
    );
  const json = parseJson(new TextDecoder().decode(bytes));
  const parsed = json.ok ? answer.safeParse(json.value) : null;
  if (parsed?.success === true) return parsed.data.filter((one) => /^https?:\/\//i.test(one.url));
  throw new PawlError("TOOL_FAILED", `the search engine at ${url.host} gave something that is no list of results.`);
}

/** Engines mark the words that fit in HTML. */
function plain(html: string): string {
  return htmlLines(html.slice(0, limits.passageChars)).join(" ").trim();
}
