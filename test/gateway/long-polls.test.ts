import assert from "node:assert/strict";
import { Agent, request, type ClientRequest } from "node:http";
import { test, type TestContext } from "node:test";
import { roles } from "../../src/gateway/roles.ts";
import { durable } from "../../src/index.ts";
import { served, type Served } from "./served.ts";

const POLLS = 1_000;

/** What the gateway asked of its store since. */
interface Asked {
  heads: number;
  subscriptions: number;
}

function counted({ app: { store } }: Served): Asked {
  const asked = { heads: 0, subscriptions: 0 };
  const [readHead, subscribe] = [store.readHead.bind(store), store.subscribe.bind(store)];
  store.readHead = (ref) => {
    asked.heads++;
    return readHead(ref);
  };
  store.subscribe = (channel, receive) => {
    asked.subscriptions++;
    const stop = subscribe(channel, receive);
    return () => {
      asked.subscriptions--;
      stop();
    };
  };
  return asked;
}

interface Poll {
  readonly sent: ClientRequest;
  /** The body; "" when the connection ended before it. */
  readonly answer: Promise<string>;
}

function polls(on: Served, key: string): readonly Poll[] {
  const agent = new Agent({ maxSockets: POLLS });
  return Array.from({ length: POLLS }, () => {
    const sent = request(`${on.url}/api/v1/runs/w/result?waitMs=60000`, {
      agent,
      headers: { authorization: `Bearer ${key}` },
    });
    const answer = Promise.withResolvers<string>();
    sent.on("error", () => answer.resolve(""));
    sent.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => answer.resolve(text));
    });
    sent.end();
    return { sent, answer: answer.promise };
  });
}

async function waiting(t: TestContext): Promise<{ readonly on: Served; readonly asked: Asked; readonly key: string }> {
  const waiter = durable({ name: "waiter", run: (ctx) => ctx.waitForSignal("go") });
  const on = await served(t, { agents: [waiter], worker: false });
  const { key } = await on.key("acme", roles);
  await on.app.start("waiter", { tenant: "acme", runId: "w", input: null });
  return { on, asked: counted(on), key };
}

async function until(on: Served, isSo: () => boolean): Promise<void> {
  while (!isSo()) await on.clock.drain();
}

test("1,000 long polls of one run are one subscription and one look a second, and all get its outcome", async (t) => {
  const { on, asked, key } = await waiting(t);
  const all = polls(on, key);
  await until(on, () => on.server.gateway.streams.size === POLLS);
  assert.equal(asked.subscriptions, 1);
  const before = asked.heads;
  await on.clock.advance(5_000);
  const looks = asked.heads - before;
  assert.ok(looks >= 3 && looks <= 10, `${looks} looks in five seconds`);
  await on.app.pause("w", "a break", { tenant: "acme" });
  const answers = new Set(await Promise.all(all.map(({ answer }) => answer)));
  assert.deepEqual(
    [...answers].map((text) => (JSON.parse(text) as { readonly status: string }).status),
    ["paused"],
  );
  assert.equal(asked.subscriptions, 0);
  assert.equal(on.server.gateway.streams.size, 0);
});

test("clients that leave their long polls leave nothing behind, and do not take the wait from who stays", async (t) => {
  const { on, asked, key } = await waiting(t);
  const all = polls(on, key);
  await until(on, () => on.server.gateway.streams.size === POLLS);
  const [stays, ...others] = all;
  for (const { sent } of others) sent.destroy();
  await until(on, () => on.server.gateway.streams.size === 1);
  assert.equal(asked.subscriptions, 1);
  stays?.sent.destroy();
  await until(on, () => asked.subscriptions === 0);
  const before = asked.heads;
  await on.clock.advance(3_000);
  assert.ok(asked.heads - before <= 1, "nobody looks any more");
  const [one] = polls(on, key);
  await until(on, () => asked.subscriptions === 1);
  await on.app.pause("w", "a break", { tenant: "acme" });
  assert.match((await one?.answer) ?? "", /paused/);
});
