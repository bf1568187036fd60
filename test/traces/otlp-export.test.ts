import assert from "node:assert/strict";
import { join, dirname } from "node:path";
import { test, type TestContext } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import { limits } from "../../src/core/limits.ts";
import { redactor, secretRules } from "../../src/core/redact.ts";
import { manualClock } from "../../src/testing/manual-clock.ts";
import { RequestBody } from "../../src/traces/otlp-span.ts";
import { otlpExporter, type OtlpExporter, type OtlpExportOptions } from "../../src/traces/otlp-export.ts";
import { indexStage, type IndexStage } from "./index-stage.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";

interface ExportStage extends IndexStage {
  readonly receiver: OtlpReceiver;
  readonly url: string;
  exporter(more?: Partial<OtlpExportOptions>): OtlpExporter;
  /** Ids of spans that were received, in order; one that came twice is there twice. */
  received(): readonly string[];
  /** Ids of all spans in the index. */
  all(runIds: readonly string[]): Promise<readonly string[]>;
}

async function exportStage(t: TestContext): Promise<ExportStage> {
  const stage = await indexStage(t);
  const receiver = new OtlpReceiver();
  const url = await receiver.listen();
  const open: OtlpExporter[] = [];
  t.after(async () => {
    for (const one of open) one.close();
    await receiver.close();
  });
  return {
    ...stage,
    receiver,
    url,
    exporter: (more) => {
      const statePath = join(dirname(stage.path), "pawl.export.db");
      const one = otlpExporter({ indexPath: stage.path, statePath, url, ...more });
      open.push(one);
      return one;
    },
    received: () => receiver.spans.map(({ spanId }) => spanId),
    all: async (runIds) => {
      const windows = await Promise.all(
        runIds.map((runId) => stage.index.spans({ tenant: "acme", runId }, { from: 0, limit: 1_000 })),
      );
      return windows.flatMap(({ rows }) => rows.map(({ spanId }) => spanId));
    },
  };
}

async function endedRun(stage: IndexStage, runId: string, turns = 2): Promise<void> {
  const run = await stage.run(runId, { tags: ["night"], threadId: "thread-1" });
  for (let turn = 1; turn <= turns; turn++)
    await run.turn(turn, "I look", [{ tool: "look", input: { q: "x" }, output: "found", effect: "once" }]);
  await run.end();
}

test("every span arrives once, complete, in the form and the names of the protocol", async (t) => {
  const stage = await exportStage(t);
  await endedRun(stage, "one");
  await stage.index.catchUp();
  const exporter = stage.exporter();
  assert.equal(await exporter.flush(), true);
  assert.equal(await exporter.flush(), true);
  assert.deepEqual(stage.receiver.problems, []);
  assert.deepEqual(stage.received().toSorted(), (await stage.all(["one"])).toSorted());
  const byName = (name: string) => stage.receiver.spans.find((span) => span.name === name)!;
  const run = byName("invoke_agent clerk");
  assert.equal(run.parentSpanId, null);
  assert.equal(run.attributes["gen_ai.operation.name"], "invoke_agent");
  assert.equal(run.attributes["gen_ai.conversation.id"], "thread-1");
  assert.deepEqual(run.attributes["pawl.tags"], ["night"]);
  assert.equal(run.resource["service.name"], "pawl");
  assert.equal(run.attributes["gen_ai.usage.input_tokens"], undefined);
  const model = byName("chat claude-sonnet-4-5");
  assert.equal(model.kind, 3);
  assert.equal(model.attributes["gen_ai.provider.name"], "anthropic");
  assert.equal(model.attributes["gen_ai.response.model"], "claude-sonnet-4-5-20250929");
  assert.equal(model.attributes["gen_ai.usage.input_tokens"], 100);
  assert.equal(model.attributes["gen_ai.usage.cache_read.input_tokens"], 20);
  assert.equal(model.attributes["gen_ai.usage.reasoning.output_tokens"], 10);
  assert.equal(model.attributes["gen_ai.response.time_to_first_chunk"], 0.12);
  assert.equal(model.attributes["pawl.cost.usd"], 0.001);
  const tool = byName("execute_tool look");
  assert.equal(tool.attributes["gen_ai.tool.name"], "look");
  assert.equal(tool.attributes["pawl.effect.status"], "done");
  assert.equal(tool.parentSpanId, byName("turn 1").spanId);
  assert.deepEqual(exporter.tally().sent, stage.receiver.spans.length);
});

test("what was said does not leave, nor the texts of errors, unless it is asked for", async (t) => {
  const stage = await exportStage(t);
  const run = await stage.run("one", { inputRef: { inline: "secretgoal" }, title: "secretgoal" });
  await run.turn(1, "secretanswer", [
    { tool: "look", input: "secretinput", output: "secretoutput" },
    { tool: "look", fails: { code: "TOOL_FAILED", message: "secreterror" } },
  ]);
  await run.end("failed", "secretvalue", { code: "BODY_THREW", message: "secretreason" });
  await stage.index.catchUp();
  await stage.exporter().flush();
  assert.ok(stage.receiver.spans.length > 4);
  assert.doesNotMatch(JSON.stringify(stage.receiver.spans), /secret/);
  assert.ok(stage.receiver.spans.some(({ status, message }) => status === 2 && message === "TOOL_FAILED"));
});

test("a receiver that fails, hangs, cuts or asks for time delays, and nothing is lost or doubled", async (t) => {
  const stage = await exportStage(t);
  const clock = manualClock();
  await endedRun(stage, "one");
  await stage.index.catchUp();
  const exporter = stage.exporter({ clock, timeMs: 200 });
  let answers = 0;
  const bad: readonly OtlpReceiver["answer"][] = [
    (_, response) => {
      response.writeHead(503).end("down");
      return "not";
    },
    (_, response) => {
      response.socket?.destroy();
      return "not";
    },
    () => "not",
    (_, response) => {
      response.writeHead(429, { "retry-after": "30" }).end();
      return "not";
    },
    (_, response) => {
      response.writeHead(401).end("who are you");
      return "not";
    },
    (_, response) => {
      response.writeHead(200, { "content-length": "1000" }).write("{");
      response.socket?.destroy();
      return "not";
    },
  ];
  stage.receiver.answer = (spans, response) => {
    const answer = bad[answers++];
    if (answer !== undefined) return answer(spans, response);
    response.end("{}");
    return "received";
  };
  for (const _ of bad) assert.equal(await exporter.flush(), false);
  assert.equal(exporter.tally().failures, bad.length);
  assert.equal(exporter.tally().sent, 0);
  assert.equal(await exporter.flush(), true);
  assert.deepEqual(stage.received().toSorted(), (await stage.all(["one"])).toSorted());
  assert.deepEqual(stage.receiver.problems, []);
});

test("following waits at least as long as the receiver asks, and goes on by itself", async (t) => {
  const stage = await exportStage(t);
  const clock = manualClock();
  await endedRun(stage, "one");
  await stage.index.catchUp();
  const exporter = stage.exporter({ clock });
  const asked = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  stage.receiver.answer = (_, response) => {
    if (stage.receiver.requests === 1) {
      response.writeHead(429, { "retry-after": "30" }).end(() => asked.resolve());
      return "not";
    }
    response.end("{}", () => taken.resolve());
    return "received";
  };
  const stop = new AbortController();
  const following = exporter.follow(stop.signal);
  await asked.promise;
  while (exporter.tally().failures === 0) await clock.drain();
  const from = clock.nowMs();
  let isTaken = false;
  void taken.promise.then(() => (isTaken = true));
  while (!isTaken) {
    await clock.pass(1_000);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  assert.ok(clock.nowMs() - from >= 30_000, `${clock.nowMs() - from} ms`);
  stop.abort();
  await following;
});

test("an exporter that comes after another goes on where the receiver's last answer was", async (t) => {
  const stage = await exportStage(t);
  await endedRun(stage, "one");
  const open = await stage.run("two");
  await open.turn(1, "still running");
  await stage.index.catchUp();
  const first = stage.exporter();
  await first.flush();
  const before = stage.received().length;
  assert.ok(
    !stage.receiver.spans.some(
      ({ attributes, name }) => name === "invoke_agent clerk" && attributes["pawl.run.id"] === "two",
    ),
  );
  first.close();
  await open.turn(2, "and ends");
  await open.end();
  await stage.index.rebuild();
  const second = stage.exporter();
  await second.flush();
  assert.ok(stage.received().length > before);
  assert.equal(new Set(stage.received()).size, stage.received().length);
  assert.deepEqual(stage.received().toSorted(), (await stage.all(["one", "two"])).toSorted());
});

test("what the receiver never takes is found, noted and passed; where it takes nothing at all, nothing is given up", async (t) => {
  const stage = await exportStage(t);
  for (const runId of ["a", "b", "c"]) await endedRun(stage, runId);
  await stage.index.catchUp();
  const all = await stage.all(["a", "b", "c"]);
  const exporter = stage.exporter();
  stage.receiver.answer = (_, response) => {
    response.writeHead(400).end("only protobuf here");
    return "not";
  };
  assert.equal(await exporter.flush(), false);
  assert.equal(exporter.tally().quarantined, 0);
  assert.match(exporter.tally().lastError ?? "", /every request is refused \(HTTP 400: only protobuf here\)/);
  const [poison = ""] = all;
  stage.receiver.answer = (spans, response) => {
    const isBad = spans.some(({ spanId }) => spanId === poison);
    response.writeHead(isBad ? 400 : 200).end(isBad ? "bad span" : "{}");
    return isBad ? "not" : "received";
  };
  assert.equal(await exporter.flush(), true);
  assert.equal(exporter.tally().quarantined, 1);
  assert.deepEqual(stage.received().toSorted(), all.filter((id) => id !== poison).toSorted());
});

test("spans that the receiver says it dropped are counted, with its words", async (t) => {
  const stage = await exportStage(t);
  await endedRun(stage, "one");
  await stage.index.catchUp();
  const exporter = stage.exporter();
  stage.receiver.answer = (_, response) => {
    response.end('{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}');
    return "received";
  };
  assert.equal(await exporter.flush(), true);
  const { sent, rejected, lastError } = exporter.tally();
  assert.deepEqual(
    { sent, rejected, lastError },
    { sent: stage.receiver.spans.length - 3, rejected: 3, lastError: "too old" },
  );
});

test("a request holds a bounded number of spans", async (t) => {
  const stage = await exportStage(t);
  await endedRun(stage, "long", 200);
  await stage.index.catchUp();
  const sizes: number[] = [];
  stage.receiver.answer = (spans, response) => {
    sizes.push(spans.length);
    response.end("{}");
    return "received";
  };
  await stage.exporter().flush();
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    601,
  );
  assert.ok(sizes.every((size) => size <= limits.exportBatchSpans) && sizes.length === 2, sizes.join(" "));
});

test("secrets are taken out of what is exported, and counted", async (t) => {
  const stage = await exportStage(t);
  const key = `sk-${"a1".repeat(20)}`;
  const run = await stage.run("one", { principal: `ada ${key}`, tags: [key, "hook me"] });
  await run.end();
  await stage.index.catchUp();
  const hook = (text: string): string => text.replace("hook me", "gone");
  const exporter = stage.exporter({ redact: redactor(secretRules, hook) });
  await exporter.flush();
  assert.doesNotMatch(JSON.stringify(stage.receiver.spans), /a1a1|hook me/);
  assert.match(JSON.stringify(stage.receiver.spans), /ada \[redacted:api-key\]/);
  assert.deepEqual(exporter.tally().redacted, { "api-key": 2, hook: 1 });
});

test("one state file serves one exporter at a time, and an address must be one", async (t) => {
  const stage = await exportStage(t);
  const first = stage.exporter();
  assert.throws(
    () => stage.exporter(),
    (error) => PawlError.is(error, "STORE_LOCKED"),
  );
  first.close();
  assert.throws(
    () => stage.exporter({ url: "file:///etc/passwd" }),
    (error) => PawlError.is(error, "OPTION_INVALID"),
  );
  assert.throws(
    () => stage.exporter({ dialect: "__proto__" }),
    (error) => PawlError.is(error, "OPTION_INVALID"),
  );
});

test("a request is JSON of all its spans, in any script, also after a longer one", () => {
  const body = new RequestBody({ "service.name": 'pä"wl' });
  const spansOf = (texts: readonly string[]): unknown => {
    const bytes = body.of(texts.map((text) => ({ spanId: text, json: JSON.stringify({ name: text }) })));
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  };
  for (const texts of [["a", "ünï 漢字 😀".repeat(500)], ["漢"], [], ["last", "one"]]) {
    const spans = texts.map((name) => ({ name }));
    const attributes = [{ key: "service.name", value: { stringValue: 'pä"wl' } }];
    const resourceSpans = [{ resource: { attributes }, scopeSpans: [{ scope: { name: "pawl" }, spans }] }];
    assert.deepEqual(spansOf(texts), { resourceSpans: texts.length === 0 ? [] : resourceSpans });
  }
});
