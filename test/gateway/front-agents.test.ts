import assert from "node:assert/strict";
import { test } from "node:test";
import { scriptedModel } from "pawl/testing";
import { serve } from "./serving.ts";

// Agents as models: a durable run behind a chat completion.

type Served = Awaited<ReturnType<typeof serve>>;

function post(
  { url, key }: Served,
  body: object,
  headers: { readonly [name: string]: string } = {},
): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

const say = (content: string) => ({ role: "user", content });

async function contentOf(answer: Response): Promise<string> {
  assert.equal(answer.status, 200, await answer.clone().text());
  const { choices } = (await answer.json()) as {
    readonly choices: readonly { readonly message: { readonly content: string } }[];
  };
  return choices[0]?.message.content ?? "";
}

function streamedText(text: string): string {
  return text
    .split("\n")
    .filter((line) => line.startsWith("data: {"))
    .map(
      (line) =>
        JSON.parse(line.slice(6)) as { readonly choices: readonly { readonly delta: { readonly content?: string } }[] },
    )
    .map(({ choices }) => choices[0]?.delta.content ?? "")
    .join("");
}

test("an agent answers as a model, in one piece and streamed, with the id of its run", async (t) => {
  const served = await serve(t, { models: scriptedModel(() => ({ text: "A line, written." })) });
  const body = {
    model: "agent/writer",
    messages: [
      { role: "system", content: "Short." },
      say("Before."),
      { role: "assistant", content: "Said." },
      say("Write."),
    ],
  };
  const whole = await post(served, body);
  const runId = whole.headers.get("x-pawl-run-id") ?? "";
  assert.equal(await contentOf(whole), "A line, written.");
  assert.equal((await served.app.run(runId, "acme").head()).status, "completed");
  assert.match(JSON.stringify(served.models.requests[0]?.request.messages), /Short\..*Before\..*Said\..*Write\./);
  const streamed = await (await post(served, { ...body, stream: true })).text();
  assert.equal(streamedText(streamed), "A line, written.");
  assert.ok(streamed.endsWith("data: [DONE]\n\n"));
});

test("a caller that drops and asks again with its key gets the same run and its whole answer", async (t) => {
  const served = await serve(t);
  const body = { model: "agent/writer", messages: [say("Write.")], stream: true };
  const key = { "idempotency-key": "abc-1" };
  const first = await post(served, body, key);
  await first.body?.cancel();
  const again = await post(served, body, key);
  assert.equal(again.headers.get("x-pawl-run-id"), first.headers.get("x-pawl-run-id"));
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.equal(streamedText(await again.text()), "A line, written.");
  assert.equal(await contentOf(await post(served, { ...body, stream: false }, key)), "A line, written.");
  assert.equal(served.models.requests.length, 1, "the model was asked once");
  const other = await post(served, { ...body, messages: [say("Another.")] }, key);
  assert.equal(other.status, 409);
});

test("an agent that waits for a person says where, and goes on for the same key", async (t) => {
  const served = await serve(t);
  const body = { model: "agent/billing", messages: [say("Refund.")] };
  const key = { "idempotency-key": "abc-2" };
  const parked = await post(served, body, key);
  const runId = parked.headers.get("x-pawl-run-id") ?? "";
  assert.match(await contentOf(parked), new RegExp(`waits for a person: http://127.0.0.1:\\d+/reviews.*${runId}`));
  const [review] = (await served.app.people("acme").list()).items;
  assert.ok(typeof review?.approvalId === "string");
  await served.app.people("acme").approve(review.approvalId, { by: "bob" });
  await served.app.run(runId, "acme").result();
  assert.equal(await contentOf(await post(served, body, key)), "Refunded.");
  assert.deepEqual(served.done, ["refund INV-7 80"]);
});

test("what an agent cannot take is refused in words, and another tenant's key finds no run", async (t) => {
  const served = await serve(t);
  const body = { model: "agent/writer", messages: [say("x")] };
  const tools = [{ type: "function", function: { name: "a" } }];
  assert.match(await (await post(served, { ...body, tools })).text(), /'tools' cannot be given to an agent/);
  assert.equal((await post(served, { ...body, model: "agent/nobody" })).status, 404);
  const key = { "idempotency-key": "abc-3" };
  const mine = await post(served, body, key);
  const theirs = await post({ ...served, key: served.otherKey }, body, key);
  assert.notEqual(theirs.headers.get("x-pawl-run-id"), mine.headers.get("x-pawl-run-id"));
});
