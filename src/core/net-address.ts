/**
 * What an IP address is for, by IANA's special-purpose registries. Only `public` may be dialled for somebody else: the
 * others reach this machine, its neighbours, or a cloud's metadata. Anything that cannot be read is `invalid`.
 */
export type AddressKind = "public" | "loopback" | "private" | "link-local" | "metadata" | "reserved" | "invalid";

/** @param address as a resolver gives it: dotted decimal without leading zeros, or IPv6 with an optional zone. */
export function addressKind(address: string): AddressKind {
  const four = ipv4Of(address);
  if (four !== null) return kindOf4(four);
  const six = ipv6Of(address);
  return six === null ? "invalid" : kindOf6(six);
}

type Range4 = readonly [network: string, bits: number, kind: AddressKind];
const ranges4: readonly Range4[] = [
  ["169.254.169.254", 32, "metadata"],
  ["100.100.100.200", 32, "metadata"],
  ["192.0.0.192", 32, "metadata"],
  ["127.0.0.0", 8, "loopback"],
  ["10.0.0.0", 8, "private"],
  ["172.16.0.0", 12, "private"],
  ["192.168.0.0", 16, "private"],
  ["100.64.0.0", 10, "private"],
  ["169.254.0.0", 16, "link-local"],
  ["0.0.0.0", 8, "reserved"],
  ["192.0.0.0", 24, "reserved"],
  ["192.0.2.0", 24, "reserved"],
  ["192.88.99.0", 24, "reserved"],
  ["198.18.0.0", 15, "reserved"],
  ["198.51.100.0", 24, "reserved"],
  ["203.0.113.0", 24, "reserved"],
  ["224.0.0.0", 4, "reserved"],
  ["240.0.0.0", 4, "reserved"],
];

function kindOf4(address: number): AddressKind {
  for (const [network, bits, kind] of ranges4) {
    const size = 2 ** (32 - bits);
    if (Math.floor(address / size) === Math.floor((ipv4Of(network) ?? 0) / size)) return kind;
  }
  return "public";
}

/** An IPv4 address inside of an IPv6 one is judged as itself: mapped, translated (NAT64), 6to4. */
function kindOf6(groups: readonly number[]): AddressKind {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const last = g * 65_536 + h;
  const isHeadZero = a === 0 && b === 0 && c === 0 && d === 0;
  if (isHeadZero && e === 0 && f === 0) return last === 1 ? "loopback" : "reserved";
  if (isHeadZero && ((e === 0 && f === 0xffff) || (e === 0xffff && f === 0))) return kindOf4(last);
  if (a === 0x64 && b === 0xff9b) return c === 0 && d === 0 && e === 0 && f === 0 ? kindOf4(last) : "reserved";
  if (a === 0x2002) return kindOf4(b * 65_536 + c);
  if (a === 0xfd00 && b === 0xec2) return "metadata";
  if ((a & 0xfe00) === 0xfc00) return "private";
  if ((a & 0xffc0) === 0xfe80) return "link-local";
  // Global unicast is 2000::/3; of it 2001::/23 is for protocols (Teredo among them), 2001:db8::/32 and 3fff::/20 for texts.
  const isForTexts = (a === 0x2001 && b === 0xdb8) || (a === 0x3fff && b < 0x1000);
  if ((a & 0xe000) !== 0x2000 || (a === 0x2001 && b < 0x200) || isForTexts) return "reserved";
  return "public";
}

function ipv4Of(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let address = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    address = address * 256 + Number(part);
  }
  return address;
}

function ipv6Of(text: string): readonly number[] | null {
  const bare = text.replace(/%[\w.-]{1,32}$/, "");
  if (!/^[0-9a-f:.]{2,45}$/i.test(bare)) return null;
  const halves = bare.split("::");
  if (halves.length > 2) return null;
  const sides = halves.map((half) => (half === "" ? [] : half.split(":")).flatMap(groupOf));
  if (sides.some((side) => side.includes(-1))) return null;
  const [head = [], tail] = sides;
  if (tail === undefined) return head.length === 8 ? head : null;
  const gap = 8 - head.length - tail.length;
  return gap < 1 ? null : [...head, ...Array.from({ length: gap }, () => 0), ...tail];
}

/** One group, or the two of an IPv4 tail; -1 where it is neither. */
function groupOf(part: string): readonly number[] {
  if (/^[0-9a-f]{1,4}$/i.test(part)) return [Number.parseInt(part, 16)];
  const four = ipv4Of(part);
  return four === null ? [-1] : [Math.floor(four / 65_536), four % 65_536];
}
