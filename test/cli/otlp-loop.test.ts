import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { OtlpLoop } from "../../src/cli/otlp-loop.ts";
import { limits } from "../../src/core/limits.ts";
import { manualClock } from "../../src/testing.ts";
import { indexStage, type IndexStage } from "../traces/index-stage.ts";
import { OtlpReceiver } from "../traces/otlp-receiver.ts";

async function endedRun(stage: IndexStage, runId: string): Promise<number> {
  const run = await stage.run(runId);
  await run.turn(1, "I look", [{ tool: "look", input: { q: "x" }, output: "found" }]);
  await run.end();
  await stage.index.catchUp();
  return (await stage.index.spans({ tenant: "acme", runId }, { from: 0, limit: 100 })).rows.length;
}

function figure(loop: OtlpLoop, name: string): number | undefined {
  return loop.gauges().find((gauge) => gauge.name === name)?.value;
}

test(
  "one of two exports; when it ends the other goes on from there; what waits is counted",
  { timeout: 20_000 },
  async (t) => {
    const stage = await indexStage(t);
    const clock = manualClock();
    const receiver = new OtlpReceiver();
    const url = await receiver.listen();
    const loop = (): OtlpLoop =>
      new OtlpLoop({ to: { url }, indexPath: stage.path, detail: (ref, id) => stage.index.span(ref, id), clock });
    const [one, other] = [loop(), loop()];
    t.after(async () => {
      await one.close();
      await other.close();
      await receiver.close();
    });
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) await turn();
    };
    const spans = await endedRun(stage, "first");

    one.start();
    assert.equal(figure(one, "pawl_otlp_pending"), spans, "the receiver has said nothing yet");
    other.start();
    assert.deepEqual(
      other.gauges().map(({ name, value }) => [name, value]),
      [["pawl_otlp_exporting", 0]],
    );
    await until(() => figure(one, "pawl_otlp_exported_spans_total") === spans);
    assert.deepEqual([figure(one, "pawl_otlp_exporting"), figure(one, "pawl_otlp_pending")], [1, 0]);

    await one.close();
    assert.equal(figure(one, "pawl_otlp_exporting"), 0);
    const more = await endedRun(stage, "second");
    await clock.pass(limits.traceRetryMs);
    await until(() => figure(other, "pawl_otlp_exported_spans_total") === spans + more);
    const ids = receiver.spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`);
    assert.deepEqual([new Set(ids).size, ids.length], [spans + more, spans + more]);
  },
);

test("an address that is none is refused at the start", async (t) => {
  const stage = await indexStage(t);
  const detail = (): Promise<never> => Promise.reject(new Error("not asked"));
  const loop = new OtlpLoop({ to: { url: "ftp://x" }, indexPath: stage.path, detail, clock: manualClock() });
  assert.throws(() => loop.start(), { code: "OPTION_INVALID" });
  await loop.close();
});
