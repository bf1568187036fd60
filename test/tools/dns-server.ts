import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import type { LookupAddress } from "node:dns";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import type { TestContext } from "node:test";

/**
 * A name server on this machine. Each name has its answers in order, the last one for ever; each answer is a list of
 * IPv4 addresses.
 * @returns a resolver that asks it, and how often each name was asked for
 */
export async function dnsServer(
  t: TestContext,
  names: { readonly [name: string]: readonly (readonly string[])[] },
): Promise<{ resolve: (host: string) => Promise<readonly LookupAddress[]>; asked: Map<string, number> }> {
  const asked = new Map<string, number>();
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let size = query[at] ?? 0; size > 0; size = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + size));
      at += size + 1;
    }
    const name = labels.join(".").toLowerCase();
    const count = asked.get(name) ?? 0;
    asked.set(name, count + 1);
    const answers = names[name]?.[Math.min(count, (names[name]?.length ?? 1) - 1)] ?? [];
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(answers.length === 0 ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(answers.length, 6);
    head.fill(0, 8, 12);
    const records = answers.map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]),
    );
    socket.send(Buffer.concat([head, query.subarray(12, at + 5), ...records]), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${(socket.address() as AddressInfo).port}`]);
  const resolve = async (host: string): Promise<readonly LookupAddress[]> =>
    (await resolver.resolve4(host)).map((address) => ({ address, family: 4 }));
  return { resolve, asked };
}
