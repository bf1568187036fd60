import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request as forward, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { addressKind } from "../core/net-address.ts";
import { limits } from "../core/limits.ts";

/** How a box reaches named hosts and nothing else. */
export interface EgressRules {
  /** Names of hosts, or `*.example.com` for the names below one. */
  readonly hosts: readonly string[];
  /** Of those, as it is now. */
  readonly mayReach: (host: string) => boolean;
  /** Default 80 and 443. */
  readonly ports?: readonly number[];
  /** Every address of a name; default this machine's resolver. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  /** Lets addresses through that are not public: for tests, and for a network that is known. */
  readonly allowPrivate?: boolean;
}

export interface Egress {
  /** A Unix socket that speaks the protocol of HTTP proxies; put into the box. */
  readonly socket: string;
  /** What was refused, in words; bounded. */
  readonly refused: readonly string[];
  close(): Promise<void>;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly address: string;
}

const REFUSALS_MAX = 50;
const defaultPorts: readonly number[] = [80, 443];

/**
 * A proxy for one box. A name is looked up once, every address it has must be public, and the address that was looked at
 * is the one that is dialled: a second answer of a name server changes nothing.
 */
export async function openEgress(rules: EgressRules): Promise<Egress> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-egress-"));
  const socket = join(folder, `${randomBytes(4).toString("hex")}.sock`);
  const refused: string[] = [];
  const open = new Set<Duplex>();
  const note = (text: string): void => void (refused.length < REFUSALS_MAX && refused.push(text));
  const server = createServer((request, response) => void passOn(request, response, rules, note));
  server.on("connect", (request: IncomingMessage, client: Duplex) => void tunnel(request, client, rules, note, open));
  server.on("connection", (client: Socket) => kept(open, client));
  server.on("clientError", (_error: Error, client: Duplex) => void client.destroy());
  server.requestTimeout = limits.sandboxWallMs;
  await listening(server, socket);
  // The user of a box is nobody's: the folder's random name and the box's mounts decide who reaches it.
  await chmod(folder, 0o711);
  await chmod(socket, 0o666);
  const close = async (): Promise<void> => {
    server.close();
    for (const one of open) one.destroy();
    await rm(folder, { recursive: true, force: true });
  };
  return { socket, refused, close };
}

function listening(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, () => resolve());
  });
}

function kept(open: Set<Duplex>, one: Duplex): void {
  open.add(one);
  one.once("close", () => open.delete(one));
  one.on("error", () => one.destroy());
}

/** @throws a sentence why a host is out of reach */
async function targetOf(host: string, port: number, rules: EgressRules): Promise<Target> {
  const name = host.toLowerCase().replace(/\.$/, "");
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name))
    throw new Error(`${JSON.stringify(host.slice(0, 80))} is no name of a host`);
  const isGiven = rules.hosts.some((known) => isWithin(name, known.toLowerCase()));
  if (!isGiven || !rules.mayReach(name)) throw new Error(`${name} is not granted`);
  if (!(rules.ports ?? defaultPorts).includes(port)) throw new Error(`port ${port} of ${name} is not granted`);
  const addresses = await (rules.resolve ?? resolved)(name);
  const bad = addresses.find((address) => addressKind(address) !== "public");
  if (bad !== undefined && rules.allowPrivate !== true)
    throw new Error(`${name} leads to a ${addressKind(bad)} address`);
  const [address] = addresses;
  if (address === undefined) throw new Error(`${name} has no address`);
  return { host: name, port, address };
}

function isWithin(name: string, known: string): boolean {
  return known.startsWith("*.") ? name.endsWith(known.slice(1)) && name.length > known.length - 1 : name === known;
}

async function resolved(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);
}

/** Any protocol over a tunnel: what TLS programs ask for. */
async function tunnel(
  request: IncomingMessage,
  client: Duplex,
  rules: EgressRules,
  note: (text: string) => void,
  open: Set<Duplex>,
): Promise<void> {
  kept(open, client);
  const match = /^([^:/?#@\s]{1,253}):(\d{1,5})$/.exec(request.url ?? "");
  try {
    const target = await targetOf(match?.[1] ?? "", Number(match?.[2] ?? 0), rules);
    const server = connect(target.port, target.address);
    kept(open, server);
    server.once("connect", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      server.pipe(client);
      client.pipe(server);
    });
    server.once("error", () => client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    client.once("close", () => server.destroy());
  } catch (error) {
    note(error instanceof Error ? error.message : String(error));
    client.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  }
}

/** Plain HTTP by an absolute URL. */
async function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  rules: EgressRules,
  note: (text: string) => void,
): Promise<void> {
  request.on("error", () => response.destroy());
  try {
    const url = URL.canParse(request.url ?? "") ? new URL(request.url ?? "") : null;
    if (url?.protocol !== "http:" || url.username !== "" || url.password !== "")
      throw new Error("only http:// URLs without a user, and CONNECT");
    const target = await targetOf(url.hostname, Number(url.port || 80), rules);
    const { "proxy-connection": _connection, "proxy-authorization": _user, ...rest } = request.headers;
    const headers = { ...rest, host: url.host, connection: "close" };
    const out = forward({
      host: target.address,
      port: target.port,
      method: request.method,
      path: url.pathname + url.search,
      headers,
    });
    out.once("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    out.once("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.once("close", () => out.destroy());
    request.pipe(out);
  } catch (error) {
    note(error instanceof Error ? error.message : String(error));
    response.writeHead(403).end();
  }
}

/** Runs inside: hands connections on a port of the box's own loopback to the socket. Python, as every box with a way out has it. */
export const relay = `
import socket, sys, threading
def pump(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data: break
            b.sendall(data)
    except OSError: pass
    finally:
        try: b.shutdown(socket.SHUT_WR)
        except OSError: pass
server = socket.socket(); server.bind(("127.0.0.1", int(sys.argv[2]))); server.listen(32)
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdout.close()
while True:
    client, _ = server.accept()
    out = socket.socket(socket.AF_UNIX); out.connect(sys.argv[1])
    threading.Thread(target=pump, args=(client, out), daemon=True).start()
    threading.Thread(target=pump, args=(out, client), daemon=True).start()
`;
