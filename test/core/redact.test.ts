import assert from "node:assert/strict";
import { test } from "node:test";
import { personalRules, redactor, secretRules, type RedactionCounts } from "../../src/core/redact.ts";

const secrets: readonly (readonly [rule: string, text: string])[] = [
  ["private-key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"],
  ["jwt", `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.${"a".repeat(43)}`],
  ["aws-key", "AKIAIOSFODNN7EXAMPLE"],
  ["github-token", `ghp_${"a1B2".repeat(9)}`],
  ["slack-token", "xoxb-123456789012-abcdefghij"],
  ["google-key", `AIza${"B".repeat(35)}`],
  ["api-key", `sk-ant-api03-${"x9".repeat(20)}`],
  ["bearer", "Authorization: Bearer abcdefghijklmnopqrstuvwxyz"],
];

test("credentials are taken out by their marks, and counted by rule; ordinary text stays as it is", () => {
  const { text } = redactor(secretRules);
  for (const [rule, secret] of secrets) {
    const counts: RedactionCounts = {};
    const out = text(`before ${secret} after`, "x", counts);
    assert.ok(out.includes(`[redacted:${rule}]`), `${rule}: ${out}`);
    assert.match(out, /^before .* after$/s);
    assert.equal(counts[rule], 1);
  }
  for (const plain of [
    "sk-learn is a library",
    "the bearer of news",
    "a password is needed",
    "AKIA",
    "eyJ",
    "task-list-of-the-whole-team",
  ]) {
    const counts: RedactionCounts = {};
    assert.equal(text(plain, "x", counts), plain);
    assert.deepEqual(counts, {});
  }
});

test("a member that is called a password is one, at any depth; the rest of the value is the same object", () => {
  const { json } = redactor(secretRules);
  const counts: RedactionCounts = {};
  const clean = { a: [1, "two", null, { three: true }] };
  assert.equal(json(clean, counts), clean);
  assert.deepEqual(json({ user: "ada", login: [{ password: "hunter2" }], apiKey: "abcd1234" }, counts), {
    user: "ada",
    login: [{ password: "[redacted:secret-member]" }],
    apiKey: "[redacted:secret-member]",
  });
  assert.equal(counts["secret-member"], 2);
});

test("the hook has the last word on every string, and is counted", () => {
  const counts: RedactionCounts = {};
  const places: string[] = [];
  const { json, isFixed } = redactor([{ name: "digits", pattern: /\d+/ }], (text, place) => {
    places.push(place);
    return text === "drop" ? null : text;
  });
  assert.equal(isFixed, false);
  assert.deepEqual(json({ n: "4 and 5", "a/b": ["drop"] }, counts), {
    n: "[redacted:digits] and [redacted:digits]",
    "a/b": ["[redacted:hook]"],
  });
  assert.deepEqual(counts, { digits: 2, hook: 1 });
  assert.ok(places.includes("/a~1b/0"));
});

test("long hostile texts cost no more than their length", () => {
  const { text } = redactor([...secretRules, ...personalRules]);
  for (const unit of ["a", "eyJ", "sk-", "password=", "a@", "1 ", "-----BEGIN ", "http://a:", "A1", "x."]) {
    const startedAt = process.cpuUsage();
    text(unit.repeat(Math.ceil(100_000 / unit.length)), "x", {});
    const { user, system } = process.cpuUsage(startedAt);
    // CPU, not time, and a bound that only a pattern which is not linear passes
    assert.ok(user + system < 2_000_000, `${unit}: ${(user + system) / 1_000} ms of CPU`);
  }
});
