import type { FastifyRequest } from "fastify";
import { isJsonObject, parseJson, type JsonObject } from "../../core/json.ts";
import { prefix } from "../route-parts.ts";

export interface InnerAnswer {
  readonly ok: boolean;
  readonly body: JsonObject;
}

/** What says who asks, and from where. */
const passed = [
  "authorization",
  "x-api-key",
  "cookie",
  "origin",
  "sec-fetch-site",
  "sec-fetch-mode",
  "host",
  "traceparent",
];

/**
 * The HTTP API as the caller of an MCP request may use it: its own routes, with all that they check and count. So MCP has no
 * rights, limits or records of its own.
 */
export class InnerApi {
  readonly #request: FastifyRequest;

  constructor(request: FastifyRequest) {
    this.#request = request;
  }

  get(path: string): Promise<InnerAnswer> {
    return this.#ask("GET", path, null);
  }

  /** @param key of a start that is repeated, or not */
  post(path: string, body: JsonObject, key?: string): Promise<InnerAnswer> {
    return this.#ask("POST", path, body, key);
  }

  async #ask(method: "GET" | "POST", path: string, body: JsonObject | null, key?: string): Promise<InnerAnswer> {
    const { server, headers, ip } = this.#request;
    const own = passed.flatMap((name) => {
      const value = headers[name];
      return typeof value === "string" ? [[name, value] as const] : [];
    });
    const { statusCode, payload } = await server.inject({
      method,
      url: `${prefix}${path}`,
      remoteAddress: ip,
      headers: { ...Object.fromEntries(own), ...(key !== undefined && { "idempotency-key": key }) },
      ...(body !== null && { payload: body }),
    });
    const parsed = parseJson(payload);
    return { ok: statusCode < 400, body: parsed.ok && isJsonObject(parsed.value) ? parsed.value : {} };
  }
}
