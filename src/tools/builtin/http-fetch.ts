import { z } from "zod";
import { notApplied, PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { ToolContext, ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";
import { pageText } from "./page-text.ts";
import { textPart } from "./text-part.ts";
import { webClient, type WebOptions } from "./web-client.ts";

/** A header with a secret in it, for one host. */
export interface HttpAuth {
  readonly host: string;
  /** Default `authorization`. */
  readonly header?: string;
  /** Of pawl({ secrets }). */
  readonly secret: string;
  /** Before the value; default `Bearer `. */
  readonly prefix?: string;
}
export interface HttpFetchOptions extends WebOptions {
  readonly auth?: readonly HttpAuth[];
}

/**
 * The tool `http_fetch`: reads a web page or an API's answer as text. GET and HEAD only: what changes something on
 * somebody's server deserves a tool of its own, with its own effect.
 * @throws OPTION_INVALID
 */
export function httpFetch(options: HttpFetchOptions): ToolDefinition {
  const read = webClient("http_fetch", options);
  const { hosts, auth = [] } = options;
  const anywhere = hosts.includes("*")
    ? "Any public host may be read."
    : `Hosts that may be read: ${hosts.join(", ")}.`;
  return tool({
    name: "http_fetch",
    version: "1",
    description: `Reads a web page, or an API's answer, by its URL: HTML comes as readable text with its links. ${anywhere} A long text comes in parts.`,
    inputSchema: z.object({
      url: z.string().min(1).max(limits.webUrlChars).describe("Whole URL, as https://example.com/page"),
      method: z.enum(["GET", "HEAD"]).default("GET").describe("HEAD tells only whether it is there, and its type"),
      start: z.int().min(0).default(0).describe("Character to read on from: `next` of the part before"),
    }),
    effect: "pure",
    flow: { sinks: { url: "destination" }, egress: true },
    capabilities: [...hosts.map((host) => `net:${host}`), ...auth.map(({ secret }) => `secret:${secret}`)],
    timeLimitMs: limits.webTimeMs,
    execute: async ({ url, method, start }, ctx) => {
      const answer = await read({
        method,
        url,
        headers: { "user-agent": "pawl", accept: "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.1" },
        originHeaders: await secretHeaders(url, auth, ctx),
        may: (capability) => ctx.may(capability),
        signal: ctx.signal,
      });
      const { status, type, bytes, isCut } = answer;
      const place = { url: answer.url.href, status, type };
      if (status === 429 || status >= 500)
        throw new PawlError("TOOL_FAILED", `${answer.url.host} answered with HTTP ${status}.`);
      if (method === "HEAD" || bytes.byteLength === 0) return place;
      const page = pageText(bytes, type, answer.url);
      if (page === null) throw notApplied(`${place.url} is "${type.slice(0, 100)}", which is not text.`);
      return {
        ...place,
        ...textPart(page.text, start),
        ...(isCut && { cut: `after ${limits.webBytes} bytes` }),
        ...(page.links.length > 0 && { links: page.links }),
        removed: page.removed,
      };
    },
  });
}

async function secretHeaders(
  url: string,
  auth: readonly HttpAuth[],
  ctx: ToolContext,
): Promise<Readonly<Record<string, string>>> {
  const host = URL.parse(url)?.hostname;
  const headers: Record<string, string> = {};
  for (const { host: of, header = "authorization", secret, prefix = "Bearer " } of auth)
    // in order, since a vault may be asked
    if (of === host) headers[header] = `${prefix}${await ctx.secret(secret)}`;
  return headers;
}
