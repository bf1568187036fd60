import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import type { JournalEvent } from "../../src/core/journal-event.ts";
import { otlpExporter } from "../../src/traces/otlp-export.ts";
import { modelAnswered, modelCalled } from "../../bench/traces/journals.ts";
import { indexStage, tenant, type IndexStage } from "./index-stage.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";

/** A run that is in the index, was looked at, and is then taken out of it again. */
async function shownAndDeleted(stage: IndexStage, runId: string): Promise<void> {
  const run = await stage.run(runId);
  await run.turn(1, "x", [{ tool: "look" }]);
  await run.end();
  await stage.index.catchUp();
  await stage.index.spans({ tenant, runId }, { from: 0, limit: 100 });
  await stage.store.deleteScope(tenant, `run:${runId}`);
  await assert.rejects(stage.index.spans({ tenant, runId }, { from: 0, limit: 1 }), (error) => PawlError.is(error));
}

test("a run that takes the place of a deleted one shows nothing of it, whatever tenant it is of", async (t) => {
  const stage = await indexStage(t);
  await shownAndDeleted(stage, "gone");
  const next = await stage.run("next", {}, "globex");
  await next.turn(1, "y", [{ tool: "pay" }]);
  await next.end();
  await stage.index.catchUp();
  const { rows } = await stage.index.spans({ tenant: "globex", runId: "next" }, { from: 0, limit: 100 });
  assert.deepEqual(
    rows.map(({ kind, name, runId }) => [kind, name, runId]),
    [
      ["run", "clerk", "next"],
      ["turn", "turn 1", "next"],
      ["model", "anthropic/claude-sonnet-4-5", "next"],
      ["tool", "pay", "next"],
    ],
  );
  const one = await stage.index.span({ tenant: "globex", runId: "next" }, rows[3]!.spanId);
  assert.equal(one.span.name, "pay");
});

test("a run that is written after the newest one was deleted is exported", async (t: TestContext) => {
  const stage = await indexStage(t);
  const receiver = new OtlpReceiver();
  const url = await receiver.listen();
  await shownAndDeleted(stage, "other");
  const first = await stage.run("first");
  await first.end();
  await stage.index.catchUp();
  const exporter = otlpExporter({
    indexPath: stage.path,
    statePath: join(dirname(stage.path), "pawl.export.db"),
    url,
  });
  t.after(async () => {
    exporter.close();
    await receiver.close();
  });
  assert.equal(await exporter.flush(), true);
  await stage.store.deleteScope(tenant, "run:first");
  await assert.rejects(stage.index.spans({ tenant, runId: "first" }, { from: 0, limit: 1 }), (error) =>
    PawlError.is(error),
  );
  const sent = receiver.spans.length;
  const second = await stage.run("second");
  await second.end();
  await stage.index.catchUp();
  assert.equal(await exporter.flush(), true);
  assert.equal(receiver.spans.length, sent + 1);
});

test("a call shows its own attempts, however many attempts the run had before it", async (t) => {
  const stage = await indexStage(t);
  const run = await stage.run("many");
  for (let i = 0; i < 501; i++) {
    const callId = `t${i}-0`;
    const error = { code: "MODEL_UNAVAILABLE", message: "busy" };
    const endpoint = "anthropic/claude-sonnet-4-5";
    await run.owner(
      modelCalled(callId),
      {
        type: "model.attempted",
        callId,
        attempt: 1,
        endpoint,
        error,
        costNanoUsd: 0,
        priceSource: null,
        assumed: false,
      },
      { ...modelCalled(callId), attempt: 2 } as JournalEvent,
      { ...modelAnswered(callId, "yes"), attempt: 2 } as JournalEvent,
      { type: "turn.ended", turn: i + 1 },
    );
  }
  const { rows, total } = await stage.index.spans({ tenant, runId: "many" }, { from: 2_000, limit: 100 });
  assert.equal(total, 1 + 501 * 4);
  const last = rows.findLast(({ kind }) => kind === "model")!;
  const { attempts } = await stage.index.span({ tenant, runId: "many" }, last.spanId);
  assert.deepEqual(
    attempts.map(({ status, callId }) => [status, callId]),
    [
      ["error", "t500-0"],
      ["ok", "t500-0"],
    ],
  );
});
