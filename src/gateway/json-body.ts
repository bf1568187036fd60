import { isUtf8 } from "node:buffer";
import type { FastifyRequest } from "fastify";
import { PawlError } from "../core/errors.ts";
import { parseJson, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { GatewayApp } from "./gateway.ts";
import { scanJson } from "./json-scan.ts";

const JSON_TYPE = /^application\/json[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?$/i;
const FORM_TYPE = /^application\/x-www-form-urlencoded[ \t]*(;[ \t]*charset="?utf-8"?[ \t]*)?$/i;

/** The gateway takes JSON and nothing else: every other parser is removed. */
export function takeOnlyJson(app: GatewayApp): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer", bodyLimit: limits.requestBytes },
    async (_request: FastifyRequest, body: Buffer) => jsonOf(body),
  );
}

/** @throws CONTENT_TYPE_REFUSED, BODY_INVALID: judged by the headers, before a byte of the body is read */
export function checkBodyHeaders(request: FastifyRequest): void {
  const { headers, method } = request;
  const length = headers["content-length"];
  const hasBody = headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new PawlError(
      "CONTENT_TYPE_REFUSED",
      `content-encoding "${encoding.slice(0, 40)}" is not taken. Send it plain.`,
    );
  }
  if (!hasBody) return;
  if (method === "GET" || method === "HEAD") {
    throw new PawlError("REQUEST_INVALID", `a ${method} request has no body here. Leave it out.`);
  }
  const type = headers["content-type"] ?? "";
  if (!(request.routeOptions.config.isForm === true ? FORM_TYPE : JSON_TYPE).test(type)) {
    throw new PawlError(
      "CONTENT_TYPE_REFUSED",
      `the body is "${type.slice(0, 80).toWellFormed()}". Send it as "content-type: application/json", in UTF-8.`,
    );
  }
  const { bodyBytes = limits.requestBytes } = request.routeOptions.config;
  if (length !== undefined && Number(length) > bodyBytes) {
    throw new PawlError("BODY_TOO_LARGE", `the body has ${length} bytes, at most ${bodyBytes} are taken.`);
  }
}

/** @throws BODY_INVALID */
export function jsonOf(body: Buffer, textChars: number = limits.jsonTextChars): JsonValue {
  if (!isUtf8(body)) throw new PawlError("BODY_INVALID", "the body is not UTF-8. Encode it as UTF-8.");
  const text = body.toString("utf8");
  if (text.startsWith("\ufeff"))
    throw new PawlError("BODY_INVALID", "the body begins with a byte order mark. Leave it out.");
  scanJson(text, textChars);
  const parsed = parseJson(text);
  if (parsed.ok) return parsed.value;
  throw new PawlError("BODY_INVALID", "the body is not JSON. Check it for a missing quote, comma or bracket.");
}
