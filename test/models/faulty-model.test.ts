import assert from "node:assert/strict";
import { test } from "node:test";
import { PawlError } from "../../src/core/errors.ts";
import { isJsonObject } from "../../src/core/json.ts";
import { userText, type Message } from "../../src/core/message.ts";
import type { ModelRequest } from "../../src/core/model-contract.ts";
import {
  faultProfiles,
  stormRates,
  type FaultProfile,
  type FaultProfileName,
  type ModelFault,
} from "../../src/testing/fault-profiles.ts";
import { faultyModel, type FaultyModelOptions } from "../../src/testing/faulty-model.ts";
import { scriptedModel } from "../../src/testing/scripted-model.ts";
import { stormClock } from "../../src/testing/storms.ts";
import { seededRandom } from "../../src/core/clock.ts";
import { callsOf, collect, generateOptions, requestOf, weatherTool, type Answer } from "./ask.ts";
import { handClock, type HandClock } from "./hand-clock.ts";

const call = { tool: "get_weather", input: { city: "Oslo" } };
const cityOf = (answer: Answer): unknown => {
  const input = callsOf(answer)[0]?.input;
  return isJsonObject(input) ? input["city"] : undefined;
};
const talkative = scriptedModel(() => ({ text: "I look it up for you.", toolCalls: [call] }));

async function once(
  model: ReturnType<typeof faultyModel>,
  request: ModelRequest = requestOf(),
): Promise<Answer | PawlError> {
  const next = model.next("a/b", [], 0);
  if (next.type === "give-up") throw new Error(next.error.message);
  try {
    return await collect(next.endpoint.generate(request, generateOptions(true)));
  } catch (error) {
    if (PawlError.is(error)) return error;
    throw error;
  }
}

/** Every sleep passes at once: time-outs cost no time. */
function impatient(clock: HandClock): HandClock {
  return {
    ...clock,
    setTimer(delayMs, fire) {
      const cancel = clock.setTimer(delayMs, fire);
      queueMicrotask(() => clock.pass(delayMs));
      return cancel;
    },
  };
}

function only(fault: ModelFault): FaultProfile {
  const none = Object.fromEntries(Object.keys(faultProfiles.calm.model).map((name) => [name, 0]));
  return { ...faultProfiles.calm, model: { ...none, [fault]: 1 } as FaultProfile["model"], loop: 0, stormShare: 0 };
}

const always = (fault: ModelFault): FaultyModelOptions => ({
  profile: only(fault),
  seed: 7,
  clock: impatient(handClock()),
});

const errors: { readonly [fault in ModelFault]?: string } = {
  rateLimited: "MODEL_RATE_LIMITED",
  serverError: "MODEL_UNAVAILABLE",
  noFirstByte: "MODEL_TIMED_OUT",
  cutStream: "MODEL_BROKEN_STREAM",
  notAnAnswer: "MODEL_BAD_RESPONSE",
};
for (const [fault, code] of Object.entries(errors) as readonly (readonly [ModelFault, string])[]) {
  test(`models: the fault ${fault} is the error ${code} that an adapter makes of it, and is counted`, async () => {
    const model = faultyModel(talkative, always(fault));
    for (let i = 0; i < 20; i++) {
      const outcome = await once(model);
      assert.ok(PawlError.is(outcome) && outcome.code === code && outcome.retry === "safe");
    }
    assert.equal(model.counts().injected[fault], 20);
  });
}

test("models: of refusals, half name a time to wait and half do not", async () => {
  const model = faultyModel(talkative, always("rateLimited"));
  let named = 0;
  for (let i = 0; i < 400; i++) {
    const outcome = await once(model);
    if (PawlError.is(outcome) && typeof outcome.details?.["retryAfterMs"] === "number") named++;
  }
  assert.ok(named > 150 && named < 250, `${named} of 400`);
});

test("models: each fault of an answer spoils what it says it spoils", async () => {
  const spoiled: { readonly [fault in ModelFault]?: (answer: Answer) => boolean } = {
    unknownTool: (answer) => callsOf(answer)[0]?.tool !== call.tool,
    malformedJson: (answer) => callsOf(answer)[0]?.malformed === true,
    schemaBreach: (answer) => typeof cityOf(answer) !== "string",
    wrongValue: (answer) => {
      const city = cityOf(answer);
      return typeof city === "string" && city !== "Oslo";
    },
    emptyAnswer: (answer) => answer.finish.content.length === 0,
    cutInsideCall: (answer) => answer.finish.finish === "length" && callsOf(answer).at(-1)?.malformed === true,
  };
  for (const [fault, isSpoiled] of Object.entries(spoiled) as readonly (readonly [
    ModelFault,
    (answer: Answer) => boolean,
  ])[]) {
    const model = faultyModel(talkative, always(fault));
    for (let i = 0; i < 50; i++) {
      const outcome = await once(model, { ...requestOf(), tools: [weatherTool] });
      assert.ok(!PawlError.is(outcome) && isSpoiled(outcome), fault);
    }
    assert.equal(model.counts().injected[fault], 50);
  }
});

const conversation = (calls: number): ModelRequest => {
  const messages: Message[] = [userText("Go")];
  for (let i = 0; i < calls; i++) {
    messages.push({
      role: "assistant",
      content: [{ type: "tool-call", callId: `c${i}`, tool: "get_weather", input: { city: "Rome" } }],
    });
    messages.push({
      role: "tool",
      content: [{ type: "tool-result", callId: `c${i}`, tool: "get_weather", output: "sun" }],
    });
  }
  return requestOf(messages);
};

test("models: a repeated call is the last one of the conversation", async () => {
  const model = faultyModel(talkative, always("repeatsLastCall"));
  const outcome = await once(model, conversation(1));
  assert.ok(!PawlError.is(outcome));
  assert.deepEqual(
    callsOf(outcome).map(({ input }) => input),
    [{ city: "Rome" }],
  );
  const first = await once(model, requestOf());
  assert.ok(!PawlError.is(first));
  assert.deepEqual(callsOf(first)[0]?.input, { city: "Oslo" }, "with no last call there is nothing to repeat");
  assert.equal(model.counts().missed, 1);
});

test("models: a run that loops makes the same call four times in a row, then goes on", async () => {
  const profile = { ...only("rateLimited"), model: { ...only("rateLimited").model, rateLimited: 0 }, loop: 1 };
  const model = faultyModel(talkative, { profile, seed: 1, clock: handClock() });
  const cities: unknown[] = [];
  for (let calls = 1; calls <= 5; calls++) {
    const outcome = await once(model, conversation(calls));
    assert.ok(!PawlError.is(outcome));
    cities.push(cityOf(outcome));
  }
  assert.deepEqual(cities, ["Rome", "Rome", "Rome", "Oslo", "Oslo"]);
});

test("models: the same seed gives the same faults, another seed others", async () => {
  const trace = async (seed: number): Promise<readonly string[]> => {
    const model = faultyModel(talkative, { profile: "badDay", seed, clock: impatient(handClock()) });
    const seen: string[] = [];
    for (let i = 0; i < 300; i++) {
      const outcome = await once(model);
      seen.push(PawlError.is(outcome) ? outcome.code : JSON.stringify(outcome.finish.content));
    }
    return seen;
  };
  assert.deepEqual(await trace(3), await trace(3));
  assert.notDeepEqual(await trace(3), await trace(4));
});

for (const name of Object.keys(faultProfiles) as readonly FaultProfileName[]) {
  test(`models: over a long time the profile ${name} injects as often as its table says`, async () => {
    const clock = handClock();
    const model = faultyModel(talkative, { profile: name, seed: 42, clock: impatient(clock), firstByteMs: 0 });
    const requests = 10_000;
    const profile = faultProfiles[name];
    for (let i = 0; i < requests; i++) {
      clock.pass(2_000);
      await once(model);
    }
    const { injected } = model.counts();
    for (const [fault, probability] of Object.entries(profile.model) as readonly (readonly [ModelFault, number])[]) {
      if (fault === "repeatsLastCall") continue;
      const expected = probability * requests;
      const isBursty = profile.stormShare > 0 && (fault === "rateLimited" || fault === "serverError");
      const slack = (isBursty ? 0.5 : 0.1) * expected + 4 * Math.sqrt(expected) + 1;
      assert.ok(
        Math.abs(injected[fault] - expected) <= slack,
        `${fault}: ${injected[fault]} where ${expected} were due`,
      );
    }
  });
}

test("models: storms fill their share of the time, last 90 s on average, and bring half of all requests down", () => {
  const isStorm = stormClock(0.2, seededRandom(11));
  let inStorm = 0;
  let storms = 0;
  let before = false;
  const seconds = 2_000_000;
  for (let second = 0; second < seconds; second++) {
    const now = isStorm(second * 1_000);
    if (now) inStorm++;
    if (now && !before) storms++;
    before = now;
  }
  assert.ok(Math.abs(inStorm / seconds - 0.2) < 0.02, `${inStorm / seconds}`);
  assert.ok(Math.abs(inStorm / storms - 90) < 9, `${inStorm / storms} s`);
  for (const profile of Object.values(faultProfiles)) {
    const { storm, calm } = stormRates(profile);
    const mean = profile.stormShare * storm + (1 - profile.stormShare) * calm;
    assert.ok(Math.abs(mean - profile.model.rateLimited - profile.model.serverError) < 1e-12);
  }
  assert.deepEqual(stormRates(faultProfiles.badDay), { storm: 0.5, calm: 0 });
});

test("models: the profiles hold the figures of the table, tools and workers too", () => {
  assert.equal(faultProfiles.openWeightHost.model.schemaBreach, 0.08);
  assert.equal(faultProfiles.badDay.model.cutInsideCall, 0.005);
  assert.equal(faultProfiles.normal.loop, 0.005);
  assert.deepEqual(faultProfiles.badDay.tool, {
    refusedByRule: 0.08,
    failedBeforeActing: 0.03,
    actedButResponseLost: 0.01,
  });
  assert.deepEqual(
    Object.values(faultProfiles).map((profile) => profile.worker.killedPerRun),
    [0, 0.01, 0.1, 0.01],
  );
});
