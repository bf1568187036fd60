import assert from "node:assert/strict";
import { test } from "node:test";
import { crashRows } from "../../src/cli/crash/crash-verdict.ts";
import type { EffectEntry } from "../../src/engine/effect-ledger.ts";
import { commandsIn, Folder } from "./terminal.ts";

test("the crash demo kills a worker after four effects, recovers each by its kind, and a counter outside agrees", async () => {
  const folder = new Folder();
  const { code, out, err } = await folder.pawl("demo", "crash");
  assert.equal(code, 0, out + err);
  assert.match(out, /process \d+ is gone \(SIGKILL\)/);
  assert.match(
    out,
    /recovered from seq \d+: 0 steps reused, 2 repeated \(1 pure, 1 same key\), 1 to reconcile, 1 unknown/,
  );
  assert.match(out, /waiting \d+\.\d s: .*book_room.* may still be acting/);
  assert.match(out, /look_up_price +pure +2 arrived, 1 key +done, repeated: harmless/);
  assert.match(out, /charge_card +idempotent +2 arrived, 1 key +done, repeated with the same key/);
  assert.match(out, /book_room +reconcilable +1 arrived +done, reconciled/);
  assert.match(out, /send_letter +once +1 arrived +unknown: a person is asked/);
  assert.match(out, /✓ the counter agrees/);
  const [resolve = "", resume = ""] = commandsIn(out);
  assert.match(resolve, / --seq \d+ /);
  const outdated = await folder.paste(resolve.replace(/--seq \d+/, "--seq 1"));
  assert.match(outdated.err, /EFFECT_NOT_UNKNOWN/);
  const resolved = await folder.paste(resolve);
  assert.equal(resolved.code, 0, resolved.err);
  const resumed = await folder.paste(resume);
  assert.equal(resumed.code, 0, resumed.err);
  assert.match(resumed.out, /completed/);
});

const entry = (tool: string, effect: EffectEntry["effect"], status: EffectEntry["status"]): EffectEntry => ({
  callId: "t0-0",
  seq: 1,
  version: "1",
  calledAt: 0,
  at: 0,
  tool,
  effect,
  status,
  attempts: 1,
  key: "k",
  input: {},
  decidedBy: null,
  via: null,
});

test("a ledger that the counter contradicts is found, whatever the contradiction", () => {
  const contradictions = (one: EffectEntry, keys: readonly string[]): string | null =>
    crashRows([one], { [one.tool]: keys })[0]?.contradiction ?? null;
  assert.equal(contradictions(entry("a", "once", "unknown"), ["k"]), null);
  assert.equal(contradictions(entry("a", "idempotent", "done"), ["k", "k"]), null);
  assert.match(contradictions(entry("a", "once", "unknown"), ["k", "k"]) ?? "", /arrived 2 times, and must not/);
  assert.match(contradictions(entry("a", "reconcilable", "done"), ["k", "k"]) ?? "", /must not/);
  assert.match(contradictions(entry("a", "idempotent", "done"), ["k", "other"]) ?? "", /not always with the key/);
  assert.match(contradictions(entry("a", "pure", "done"), []) ?? "", /never arrived/);
  assert.match(contradictions(entry("a", "once", "held"), ["k"]) ?? "", /not started/);
});
