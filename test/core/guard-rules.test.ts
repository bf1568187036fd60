import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { guardCall, type GuardScene } from "../../src/core/guard-rules.ts";
import { NamedText } from "../../src/core/named-text.ts";
import { isTainting, leavesOf, TrustedFacts } from "../../src/core/provenance.ts";
import type { ToolFlow } from "../../src/core/tool-contract.ts";

describe("what a prompt names", () => {
  const prompt = new NamedText([
    "1. Send 12.00 to GB29NWBK60161331926819, please; then mail Ann (ann@example.com).",
    "Delete file 13 of May 15th, 2024-05-16 10:30, and pay $1,200.50 to Apple's account. 给张三发邮件",
  ]);
  for (const value of ["gb29nwbk60161331926819", "ANN@example.com", "Ann", "apple", 12, "12.0", 13, 1200.5, "张三"])
    it(`${JSON.stringify(value)} is named`, () => assert.equal(prompt.names(value), true));
  for (const value of [
    "example.com",
    "ann@example",
    "1",
    1,
    15,
    16,
    "2024",
    10,
    30,
    "",
    " ",
    "GB29",
    "pple",
    "12.01",
    1200,
  ])
    it(`${JSON.stringify(value)} is not`, () => assert.equal(prompt.names(value), false));
  it("looks through letter case, width, spacing and invisible characters of the value", () => {
    assert.equal(prompt.names("ａｎｎ@EXAMPLE.com\u200B"), true);
  });
});

const inputSchema = {
  type: "object",
  properties: {
    to: { type: "string" },
    amount: { type: "number" },
    mode: { enum: ["fast", "slow"] },
    note: { type: "string" },
    list: { type: "array", items: { anyOf: [{ $ref: "#/$defs/Level" }, { type: "null" }] } },
  },
  $defs: { Level: { enum: ["r", "rw"] } },
};
const flow: ToolFlow = {
  sinks: { to: "destination", amount: "amount", mode: "permission", note: "content", list: "permission" },
};

function scene(changes: Partial<GuardScene> = {}): GuardScene {
  const prompt = new NamedText(["Pay 20 to Ann, look at INV-7"]);
  const facts = new TrustedFacts(prompt);
  return {
    profile: "standard",
    taskSet: new Set(["pay"]),
    isTainted: true,
    prompt,
    developer: new NamedText([]),
    facts,
    ...changes,
  };
}
const pay = (args: object, declared: { flow?: ToolFlow } = { flow }) => ({
  tool: { name: "pay", effect: "once" as const, inputSchema, ...declared },
  args: args as never,
});
const decision = (call: ReturnType<typeof pay>, on: GuardScene) => guardCall(call, on).verdict.decision;

describe("the guard's verdict", () => {
  it("allows what the prompt named, words of the schema, booleans and content", () => {
    const args = { to: "ann", amount: 20, mode: "fast", note: "whatever", list: ["rw", null], extra: "x" };
    assert.equal(decision(pay(args), scene()), "allow");
  });
  it("refuses what is outside the task's set, whatever was read", () => {
    const found = guardCall(pay({ to: "Ann" }), scene({ taskSet: new Set(["read"]), isTainted: false }));
    assert.equal(found.verdict.decision, "refuse");
    assert.deepEqual(found.verdict.rules, ["guard.task-set"]);
  });
  it("asks about a value from nowhere once untrusted data was read, and names the argument", () => {
    const found = guardCall(pay({ to: "Mallory", amount: 20 }), scene());
    assert.equal(found.verdict.decision, "ask");
    assert.match(found.verdict.reason ?? "", /^to \(destination\)/);
    assert.deepEqual(
      found.origins.map(({ path, origin }) => [path, origin.source]),
      [
        ["to", "model"],
        ["amount", "prompt"],
      ],
    );
    assert.equal(decision(pay({ to: "Mallory" }), scene({ isTainted: false })), "allow");
  });
  it("without a declaration every argument steers", () => {
    assert.equal(decision(pay({ to: "Ann", note: "free text" }, {}), scene()), "ask");
    assert.equal(decision(pay({ to: "Ann" }, {}), scene()), "allow");
  });
  it("a trusted field vouches for a value only beside a task's set", () => {
    const on = scene();
    const book = { name: "book", trust: { trustedPaths: ["[].iban"] } };
    on.facts?.add({ callId: "c1", tool: book, args: {}, result: [{ iban: "DE1", name: "Eve" }, { iban: "DE2" }] });
    assert.equal(decision(pay({ to: "de1" }), on), "allow");
    assert.equal(decision(pay({ to: "Eve" }), on), "ask");
    assert.equal(decision(pay({ to: "DE1" }), scene({ facts: null, taskSet: null })), "ask");
  });
  it("what cannot be taken back needs a target that was picked out, not one of many", () => {
    const final: ToolFlow = { sinks: { to: "target" }, reversible: false };
    const files = { name: "files", trust: { trustedPaths: ["[].id"] } };
    const many = [{ id: "f1" }, { id: "f2" }];
    const blind = scene();
    blind.facts?.add({ callId: "c1", tool: files, args: {}, result: many });
    assert.equal(decision(pay({ to: "f1" }, { flow: final }), blind), "ask");
    const picked = scene();
    picked.facts?.add({ callId: "c1", tool: files, args: { query: "INV-7" }, result: many });
    assert.equal(decision(pay({ to: "f1" }, { flow: final }), picked), "allow");
  });
  it("strict asks before what cannot be taken back, observe only says so", () => {
    const found = guardCall(pay({ to: "Ann" }), scene({ profile: "strict" }));
    assert.deepEqual(found.verdict.rules, ["guard.irreversible"]);
    assert.equal(
      decision(pay({ to: "Ann" }, { flow: { ...flow, reversible: true } }), scene({ profile: "strict" })),
      "allow",
    );
    assert.equal(decision(pay({ to: "Ann" }, { flow: { ...flow, askWhenTainted: true } }), scene()), "ask");
    const seen = guardCall(pay({ to: "Mallory" }), scene({ profile: "observe" })).verdict;
    assert.deepEqual([seen.decision, seen.rules], ["allow", ["observe:guard.provenance"]]);
  });
  it("a read passes, unless its arguments leave", () => {
    const read = (declared: ToolFlow) => ({
      tool: { name: "pay", effect: "pure" as const, inputSchema, flow: declared },
      args: { to: "http://mallory.example/?q=secret" },
    });
    assert.equal(guardCall(read(flow), scene()).verdict.decision, "allow");
    assert.equal(guardCall(read({ ...flow, egress: true }), scene()).verdict.decision, "ask");
  });
});

describe("what taints", () => {
  it("a text or number that nobody vouches for", () => {
    assert.equal(isTainting("untrusted", { ok: true }), false);
    assert.equal(isTainting("untrusted", [3]), true);
    assert.equal(isTainting("trusted", "x"), false);
    assert.equal(isTainting({ trustedPaths: ["id", "by"] }, { id: 3, by: { name: "Ann" } }), false);
    assert.equal(isTainting({ trustedPaths: ["id"] }, { id: 3, identity: "x" }), true);
  });
  it("leaves are in order, however deep", () => {
    let deep: unknown = "x";
    for (let n = 0; n < 100_000; n++) deep = [deep];
    assert.equal(leavesOf(deep as never).length, 1);
    assert.deepEqual(
      leavesOf({ a: [1, { b: "x" }], c: null, d: false }).map(({ path }) => path),
      ["a[]", "a[].b", "d"],
    );
  });
});
