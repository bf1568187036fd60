import type { FastifyReply, FastifyRequest } from "fastify";
import { PawlError } from "../core/errors.ts";

/** Headers that have one meaning, or none: a second one is a trick. */
const SINGLE = new Set([
  "host",
  "authorization",
  "x-api-key",
  "content-type",
  "content-length",
  "content-encoding",
  "transfer-encoding",
  "origin",
  "cookie",
  "idempotency-key",
  "last-event-id",
]);

/** Where the gateway is known to be: what a page may be, and what a Host header may say. */
export interface Place {
  /** Address under which browsers reach it, such as https://pawl.example; null = the request's own host over http. */
  readonly publicUrl: URL | null;
  /** Hosts (with port where it is not 80 or 443) that requests may name; null = nobody said, see checkHost. */
  readonly hosts: readonly string[] | null;
}

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return /^(localhost|::1|\[::1\]|127\.\d+\.\d+\.\d+|::ffff:127\.\d+\.\d+\.\d+)$/.test(host);
}

/** What node's parser lets through and we do not. @throws REQUEST_INVALID */
export function checkHeaders(request: FastifyRequest): void {
  const seen = new Set<string>();
  const { rawHeaders } = request.raw;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    if (!SINGLE.has(name)) continue;
    if (seen.has(name)) throw new PawlError("REQUEST_INVALID", `the header "${name}" is given twice. Send it once.`);
    seen.add(name);
  }
  const coding = request.headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    throw new PawlError(
      "REQUEST_INVALID",
      `transfer-encoding "${coding.slice(0, 40)}" is not known here. Use chunked.`,
    );
  }
}

/**
 * A page whose name was pointed at our address says its own host. What comes over a loopback address may name only that,
 * localhost, the public address, or what the options allow; elsewhere any host counts unless the options name some.
 * @throws HOST_REFUSED
 */
export function checkHost(place: Place, request: FastifyRequest): void {
  const host = request.headers.host?.toLowerCase();
  if (host === undefined || host === "") {
    throw new PawlError("REQUEST_INVALID", "the request has no Host header.");
  }
  const { localAddress = "", localPort = 0 } = request.socket;
  if (place.hosts === null && !isLoopback(localAddress)) return;
  const port = localPort === 80 ? "" : `:${localPort}`;
  const own = [`127.0.0.1${port}`, `localhost${port}`, `[::1]${port}`];
  const allowed = [...(place.publicUrl === null ? [] : [place.publicUrl.host]), ...(place.hosts ?? own)];
  if (allowed.includes(host)) return;
  throw new PawlError(
    "HOST_REFUSED",
    `this server is not "${host.slice(0, 100)}". It is ${allowed.slice(0, 4).join(", ")}; name others in the gateway's hosts.`,
  );
}

/**
 * No page of another origin may change or read anything. A request without Origin is no browser's; one that carries a
 * cookie must say where it comes from before it changes something.
 * @throws ORIGIN_REFUSED
 */
export function checkOrigin(place: Place, request: FastifyRequest): void {
  const { origin } = request.headers;
  const site = request.headers["sec-fetch-site"];
  const isChange = request.method !== "GET" && request.method !== "HEAD";
  if (origin !== undefined) {
    if (origin === ownOrigin(place, request)) return;
    throw refused(`the page "${origin.slice(0, 100)}"`);
  }
  const isNavigation = request.headers["sec-fetch-mode"] === "navigate" && !isChange;
  if (site !== undefined && site !== "same-origin" && site !== "none" && !isNavigation) throw refused("another site");
  const hasCookieAlone = request.headers.cookie !== undefined && request.headers.authorization === undefined;
  if (isChange && hasCookieAlone && site !== "same-origin") throw refused("a request with a cookie and without Origin");
}

export function ownOrigin(place: Place, request: FastifyRequest): string {
  return place.publicUrl?.origin ?? `http://${request.headers.host ?? ""}`;
}

function refused(from: string): PawlError {
  return new PawlError(
    "ORIGIN_REFUSED",
    `${from} may not call this server. Use its own console, or an API key outside the browser.`,
  );
}

const CONTENT_SECURITY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** On every answer, also on refusals. No CORS header is ever sent. */
export function setSecurityHeaders(place: Place, request: FastifyRequest, reply: FastifyReply): void {
  void reply.headers({
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-request-id": request.id,
  });
  // what the API says belongs to one caller
  if (request.url.startsWith("/api/")) void reply.header("cache-control", "no-store");
  if (place.publicUrl?.protocol === "https:") void reply.header("strict-transport-security", "max-age=31536000");
}
