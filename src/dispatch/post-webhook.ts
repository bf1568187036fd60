import { createHmac, timingSafeEqual } from "node:crypto";
import { lookup as resolve, type LookupAddress } from "node:dns";
import ipaddr from "ipaddr.js";
import { Agent, request, type Dispatcher } from "undici";
import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";

export interface WebhookOptions {
  /** Signs every message: at least 16 characters. */
  readonly secret: string;
  /** Also to addresses that are not public: this machine, its network; default false. */
  readonly allowPrivate?: boolean;
}

/**
 * Posts messages that their receiver can trust: `pawl-signature` is `sha256=` and the HMAC-SHA256 of
 * `<pawl-timestamp>.<body>`, `pawl-id` is the same for every repeat. It follows no redirect.
 * @throws OPTION_INVALID
 */
export function webhookPoster({
  secret,
  allowPrivate = false,
}: WebhookOptions): (
  message: { readonly id: string; readonly url: string; readonly body: string },
  nowMs: number,
) => Promise<void> {
  if (typeof secret !== "string" || secret.length < 16)
    throw new PawlError("OPTION_INVALID", "webhooks.secret must have at least 16 characters: it signs every message.");
  // names are resolved as the connection is made: what was checked is what is called
  const dispatcher = new Agent({
    connections: 4,
    connect: { timeout: limits.webhookTimeMs, ...(!allowPrivate && { lookup: publicLookup }) },
  });
  return async ({ id, url, body }, nowMs) => {
    const { hostname } = new URL(url);
    const literal = hostname.replace(/^\[|\]$/g, "");
    if (!allowPrivate && ipaddr.isValid(literal)) refusePrivate(hostname, literal);
    const timestamp = String(Math.floor(nowMs / 1_000));
    const headers = {
      "content-type": "application/json",
      "pawl-id": id,
      "pawl-timestamp": timestamp,
      "pawl-signature": signatureOf(secret, timestamp, body),
    };
    const signal = AbortSignal.timeout(limits.webhookTimeMs);
    const response: Dispatcher.ResponseData = await request(url, { method: "POST", headers, body, signal, dispatcher });
    await response.body.dump({ limit: 65_536, signal });
    const { statusCode } = response;
    if (statusCode >= 200 && statusCode < 300) return;
    throw new PawlError("WEBHOOK_REFUSED", `the webhook at ${hostname} answered with HTTP ${statusCode}.`);
  };
}

/**
 * For receivers: true for a message that the holder of `secret` signed within the last five minutes.
 * @param headers as they came, names in lower case
 * @param body    the bytes as they came, not parsed and written again
 */
export function verifyWebhook({
  secret,
  headers,
  body,
  nowMs,
}: {
  readonly secret: string;
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined };
  readonly body: string;
  readonly nowMs: number;
}): boolean {
  const [timestamp, signature] = [headers["pawl-timestamp"], headers["pawl-signature"]];
  if (typeof timestamp !== "string" || typeof signature !== "string" || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(nowMs - Number(timestamp) * 1_000) > limits.webhookAgeMs) return false;
  const [given, made] = [Buffer.from(signature), Buffer.from(signatureOf(secret, timestamp, body))];
  return given.length === made.length && timingSafeEqual(given, made);
}

function signatureOf(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`;
}

type Told = (error: Error | null, addresses: string | LookupAddress[], family?: number) => void;

function publicLookup(hostname: string, options: { readonly all?: boolean }, told: Told): void {
  resolve(hostname, { all: true }, (error, addresses) => {
    if (error !== null) {
      told(error, []);
      return;
    }
    try {
      for (const { address } of addresses) refusePrivate(hostname, address);
    } catch (refused) {
      told(refused as Error, []);
      return;
    }
    const [first] = addresses;
    if (options.all === true) told(null, addresses);
    else told(null, first?.address ?? "", first?.family);
  });
}

/** @throws WEBHOOK_REFUSED for anything but an address of the public internet */
function refusePrivate(hostname: string, address: string): void {
  if (ipaddr.process(address).range() === "unicast") return;
  throw new PawlError(
    "WEBHOOK_REFUSED",
    `the webhook's host "${hostname}" is at ${address}, which is not public. Where that is meant: pawl({ webhooks: { secret, allowPrivate: true } }).`,
  );
}
