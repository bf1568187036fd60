import assert from "node:assert/strict";
import { isIP } from "node:net";
import { it } from "node:test";
import fc from "fast-check";
import { addressKind, type AddressKind } from "../../src/core/net-address.ts";

const known: Readonly<Record<AddressKind, readonly string[]>> = {
  public: [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
  ],
  loopback: [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "64:ff9b::7f00:1",
  ],
  private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.1.2.3"],
  "link-local": ["169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1"],
  metadata: ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254"],
  reserved: [
    "0.0.0.0",
    "::",
    "255.255.255.255",
    "224.0.0.1",
    "2001:db8::1",
    "2001::1",
    "ff02::1",
    "192.0.2.1",
    "64:ff9b:1::1",
  ],
  invalid: [
    "",
    "localhost",
    "127.1",
    "0177.0.0.1",
    "2130706433",
    "1.2.3.256",
    "01.2.3.4",
    "::1::",
    ":::",
    "1:2:3",
    "1.2.3.4.5",
    "[::1]",
  ],
};
for (const [kind, addresses] of Object.entries(known))
  for (const address of addresses)
    it(`${address || "nothing"} is ${kind}`, () => assert.equal(addressKind(address), kind));

it("is invalid for exactly what the platform cannot read", () => {
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV4Extended(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom("0", "1", "2", "3", "a", "f", ":", ".") }),
  );
  fc.assert(
    fc.property(text, (address) => assert.equal(addressKind(address) === "invalid", isIP(address) === 0, address)),
    { numRuns: 5_000 },
  );
});
