import assert from "node:assert/strict";
import { test } from "node:test";
import type { SpanKind } from "../../src/core/trace-contract.ts";
import { noUsage } from "../../src/core/usage.ts";
import { placed, type TreeSpan } from "../../src/traces/span-tree.ts";
import { marksOf } from "../../src/traces/tree-marks.ts";

interface Drawn {
  readonly id: string;
  readonly parent: string | null;
  readonly kind: SpanKind;
  readonly at: readonly [from: number, to: number | null];
  readonly cost?: number;
  readonly tokens?: number;
  readonly run?: number;
}

function spanOf({ id, parent, kind, at, cost, tokens = 0, run = 1 }: Drawn, i: number): TreeSpan {
  const bill = {
    usage: { ...noUsage, outputTokens: tokens },
    costNanoUsd: cost ?? null,
    priceSource: "test",
    assumed: false,
    inherited: false,
  };
  return {
    row: i,
    run,
    spanId: id,
    parentSpanId: parent,
    seq: i,
    kind,
    status: "ok",
    startedAt: at[0],
    endedAt: at[1],
    bill: cost === undefined ? null : bill,
  };
}
const marked = (drawn: readonly Drawn[]) => marksOf(placed(drawn.map(spanOf)));

const base: readonly Drawn[] = [
  { id: "run", parent: null, kind: "run", at: [0, 1_000] },
  { id: "asks", parent: "run", kind: "model", at: [0, 40], cost: 3 },
  { id: "refund", parent: "run", kind: "tool", at: [40, 950] },
  { id: "park", parent: "run", kind: "park", at: [50, 940] },
  { id: "says", parent: "run", kind: "model", at: [950, 1_000], cost: 5 },
];

test("the costliest call and the one that worked longest are found; a wait for a person is no work", () => {
  const { costliest, slowest, waits } = marked(base);
  assert.deepEqual(costliest, { position: 4, ms: 50 });
  assert.deepEqual(slowest, { position: 4, ms: 50 });
  assert.deepEqual(waits, [{ startedAt: 50, endedAt: 940 }]);
});

test("where nothing costs money, the call with most tokens is marked, and money goes before tokens", () => {
  const free = (cost: number): readonly Drawn[] => [
    { id: "run", parent: null, kind: "run", at: [0, 100] },
    { id: "long", parent: "run", kind: "model", at: [0, 40], cost: 0, tokens: 900 },
    { id: "short", parent: "run", kind: "model", at: [40, 90], cost, tokens: 20 },
  ];
  assert.equal(marked(free(0)).costliest?.position, 1);
  assert.equal(marked(free(3)).costliest?.position, 2);
});

test("while a child works nothing is idle, though its parent is parked", () => {
  const child: readonly Drawn[] = [
    { id: "child", parent: "refund", kind: "run", at: [100, 300], run: 2 },
    { id: "dig", parent: "child", kind: "tool", at: [110, 290], run: 2, cost: 9 },
  ];
  const { costliest, waits } = marked([...base, ...child]);
  assert.equal(costliest?.ms, 20, "the tool whose child it is costs as much, and stands above it");
  assert.deepEqual(waits, [
    { startedAt: 50, endedAt: 100 },
    { startedAt: 300, endedAt: 940 },
  ]);
});

test("a run that waits now has a wait without an end, and an open call is not the slowest", () => {
  const { slowest, waits } = marked([
    { id: "run", parent: null, kind: "run", at: [0, null] },
    { id: "refund", parent: "run", kind: "tool", at: [10, null] },
    { id: "park", parent: "run", kind: "park", at: [20, null] },
  ]);
  assert.equal(slowest, null);
  assert.deepEqual(waits, [{ startedAt: 20, endedAt: null }]);
  assert.deepEqual(marked([]), { costliest: null, slowest: null, waits: [] });
});
