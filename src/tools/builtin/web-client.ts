import { lookup, type LookupAddress } from "node:dns";
import { isIP } from "node:net";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { Agent, request, type Dispatcher } from "undici";
import { notApplied, PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import { addressKind } from "../../core/net-address.ts";

export interface WebOptions {
  /** `api.example.com`; `*.example.com` for all below it; `*` for every public name. An address only where it stands here. */
  readonly hosts: readonly string[];
  /** Beside 80 and 443. */
  readonly ports?: readonly number[];
  /** Also addresses that are not public: this machine, its network, a cloud's metadata. Default false. */
  readonly allowPrivate?: boolean;
  /** Looks a name up; default the system's resolver. What it gives is checked all the same. */
  readonly resolve?: (host: string) => Promise<readonly LookupAddress[]>;
}
export interface WebRequest {
  readonly method: "GET" | "HEAD";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent to the first URL's origin only, and not after a redirect has left it. */
  readonly originHeaders?: Readonly<Record<string, string>>;
  /** Was the run granted `net:` of this host? */
  readonly may: (capability: string) => boolean;
  readonly signal: AbortSignal;
}
export interface WebAnswer {
  /** After redirects. */
  readonly url: URL;
  readonly status: number;
  readonly type: string;
  /** Uncompressed, up to limits.webBytes. */
  readonly bytes: Uint8Array;
  readonly isCut: boolean;
}
export type WebClient = (asked: WebRequest) => Promise<WebAnswer>;

/**
 * Reads from the web for somebody who is not trusted with this network. A name is looked up once for each connection,
 * each of its addresses is checked, and one that was checked is dialled; every redirect is judged like the first URL.
 * Throws `notApplied` for what a repeat would not change, TOOL_FAILED for what may pass.
 */
export function webClient(what: string, options: WebOptions): WebClient {
  checkHosts(what, options.hosts);
  const dispatcher = new Agent({
    connections: 16,
    connect: { timeout: limits.webConnectMs, lookup: checkedLookup(options) },
    maxHeaderSize: 16_384,
  });
  return async (asked) => {
    let url = checkedUrl(asked.url, { ...options, may: asked.may });
    const first = url.origin;
    let isAtHome = true;
    for (let hops = 0; hops <= limits.webRedirects; hops++) {
      const headers = { ...asked.headers, ...(isAtHome && asked.originHeaders) };
      const response = await sent(url, { ...asked, headers, dispatcher });
      const location = response.headers.location;
      if (response.statusCode < 300 || response.statusCode > 399 || typeof location !== "string")
        return {
          url,
          status: response.statusCode,
          type: textOf(response.headers["content-type"]),
          ...(await bodyOf(response)),
        };
      response.body.on("error", () => undefined).destroy();
      const next = checkedUrl(location, { ...options, may: asked.may }, url);
      if (url.protocol === "https:" && next.protocol === "http:")
        throw notApplied(`${url.host} redirects from https to http, which is not followed.`);
      url = next;
      isAtHome &&= url.origin === first;
    }
    throw notApplied(`${url.host} redirects more than ${limits.webRedirects} times.`);
  };
}

/** @throws OPTION_INVALID */
function checkHosts(what: string, hosts: readonly string[]): void {
  const name =
    /^(?:\*|(?:\*\.)?(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*)$/;
  for (const host of hosts)
    if (isIP(host) === 0 && (!name.test(host) || /^\*\.[^.]*$/.test(host)))
      throw new PawlError(
        "OPTION_INVALID",
        `${what}: hosts has "${host}". Give names in lower case, as "api.example.com", "*.example.com" or "*"; a wildcard needs two labels behind it.`,
      );
  if (hosts.length === 0) throw new PawlError("OPTION_INVALID", `${what}: hosts is empty. Name what may be asked.`);
}

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const unprintable = /[\u0000-\u0020\u007F-\u009F\\]/;

function checkedUrl(
  text: string,
  { hosts, ports = [], allowPrivate = false, may }: WebOptions & Pick<WebRequest, "may">,
  base?: URL,
): URL {
  if (text.length > limits.webUrlChars) throw notApplied(`the URL has over ${limits.webUrlChars} characters.`);
  if (unprintable.test(text))
    throw notApplied("the URL has a space, a backslash or a control character in it: encode it.");
  const url = URL.parse(text, base?.href);
  if (url === null)
    throw notApplied(`"${text.slice(0, 200)}" is no URL. Give a whole one, as https://example.com/page.`);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw notApplied(`the URL's scheme is ${url.protocol.slice(0, 40)} and only http: and https: are read.`);
  if (url.username !== "" || url.password !== "")
    throw notApplied("the URL has a name or password in it: leave them out.");
  const port = Number(url.port);
  if (port !== 0 && port !== 80 && port !== 443 && !ports.includes(port))
    throw notApplied(`port ${port} may not be asked.`);
  const host = bareHost(url);
  if (!isListed(host, hosts))
    throw notApplied(`host "${host}" may not be asked. Allowed: ${hosts.slice(0, 20).join(", ")}.`);
  if (!may(`net:${host}`)) throw notApplied(`this run was not granted host "${host}".`);
  if (!allowPrivate && isIP(host) !== 0) refusePrivate(host, [{ address: host }]);
  url.hash = "";
  return url;
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

function isListed(host: string, hosts: readonly string[]): boolean {
  return hosts.some((one) => {
    if (one === "*") return isIP(host) === 0;
    return one === host || (one.startsWith("*.") && isIP(host) === 0 && host.endsWith(one.slice(1)));
  });
}

/** Says neither which address it was nor whether anything listens there. */
function refusePrivate(host: string, addresses: readonly { readonly address: string }[]): void {
  if (addresses.length === 0 || addresses.some(({ address }) => addressKind(address) !== "public"))
    throw notApplied(`host "${host}" is not at a public address and may not be asked.`);
}

type Told = (error: Error | null, addresses: LookupAddress[]) => void;

function checkedLookup({ resolve, allowPrivate = false }: WebOptions) {
  return (host: string, _: object, told: Told): void => {
    const found = resolve === undefined ? systemAddresses(host) : resolve(host);
    found.then(
      (addresses) => {
        try {
          if (!allowPrivate) refusePrivate(host, addresses);
          told(null, [...addresses]);
        } catch (error) {
          told(error as Error, []);
        }
      },
      () => told(notApplied(`host "${host}" cannot be found.`), []),
    );
  };
}

function systemAddresses(host: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  });
}

interface Sent extends WebRequest {
  readonly dispatcher: Dispatcher;
}

async function sent(url: URL, { method, headers, signal, dispatcher }: Sent): Promise<Dispatcher.ResponseData> {
  try {
    return await request(url, {
      method,
      headers: { ...headers, "accept-encoding": "gzip, deflate, br" },
      signal,
      dispatcher,
    });
  } catch (error) {
    if (error instanceof Error && error.name === "NotApplied") throw error;
    signal.throwIfAborted();
    throw new PawlError("TOOL_FAILED", `${url.host} did not answer as a web server does.`, { cause: error });
  }
}

async function bodyOf(response: Dispatcher.ResponseData): Promise<Pick<WebAnswer, "bytes" | "isCut">> {
  const { body } = response;
  const chunks: Uint8Array[] = [];
  let size = 0;
  let sizeRaw = 0;
  const unpack = unpackerOf(textOf(response.headers["content-encoding"]));
  body.on("data", (chunk: Uint8Array) => {
    sizeRaw += chunk.byteLength;
    if (sizeRaw > limits.webBytes) body.destroy(new Error("too large"));
  });
  try {
    const source = unpack === null ? body : body.on("error", (error) => unpack.destroy(error)).pipe(unpack);
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      const part = chunk.subarray(0, limits.webBytes - size);
      chunks.push(part);
      size += part.byteLength;
      if (part.byteLength < chunk.byteLength) break;
    }
  } catch (error) {
    if (sizeRaw <= limits.webBytes)
      throw new PawlError("TOOL_FAILED", "the answer broke off, or is not packed as it says.", { cause: error });
    return { bytes: Buffer.concat(chunks), isCut: true };
  } finally {
    body.on("error", () => undefined).destroy();
  }
  return { bytes: Buffer.concat(chunks), isCut: size >= limits.webBytes };
}

function unpackerOf(encoding: string) {
  switch (encoding.trim().toLowerCase()) {
    case "":
    case "identity":
      return null;
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    case "br":
      return createBrotliDecompress();
    default:
      throw notApplied(`the answer is packed as "${encoding.slice(0, 40)}", which is not read.`);
  }
}

function textOf(header: string | readonly string[] | undefined): string {
  return typeof header === "string" ? header : (header?.[0] ?? "");
}
