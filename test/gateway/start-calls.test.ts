import assert from "node:assert/strict";
import { test } from "node:test";
import { roles } from "../../src/gateway/roles.ts";
import type { Store } from "../../src/core/store-contract.ts";
import { memoryStore } from "../../src/testing.ts";
import { served } from "./served.ts";
import { ShiftingClock } from "./shifting-clock.ts";

/** No time passes, so that what is kept for a while is kept, however slow the machine is. */
class StandingClock extends ShiftingClock {
  override monotonicMs(): number {
    return 1_000_000;
  }
}

/** Names of the operations that are asked of a store; a subscription and a hint are none. */
function operationsOf(store: Store, asked: string[]): Store {
  return new Proxy(store, {
    get(target, name, self) {
      const member: unknown = Reflect.get(target, name, self);
      if (typeof member !== "function") return member;
      return (...args: readonly unknown[]): unknown => {
        if (name !== "publish" && name !== "subscribe") asked.push(String(name));
        return Reflect.apply(member, target, args);
      };
    },
  });
}

test("a start asks the store for one operation: the one that creates the run", async (t) => {
  const asked: string[] = [];
  const on = await served(t, {
    store: operationsOf(memoryStore(), asked),
    worker: false,
    limits: {},
    clock: new StandingClock(),
  });
  const { key } = await on.key("acme", roles);
  const start = (runId: string) =>
    on.call("POST", "/api/v1/runs", { key, body: { agent: "greeter", input: "Hello.", runId } });
  // what is known of the key, the backlog and the quotas is kept for a while, and read by the first
  assert.equal((await start("first")).status, 201);
  asked.length = 0;
  const answer = await start("second");
  assert.deepEqual(asked, ["createRun"]);
  const shown = await on.call("GET", "/api/v1/runs/second", { key });
  const { runId, seq, status, startedAt } = answer.json as { [name: string]: unknown };
  const stored = shown.json as { [name: string]: unknown };
  assert.deepEqual(
    [runId, seq, status, startedAt],
    [stored["runId"], stored["seq"], stored["status"], stored["startedAt"]],
  );
});
