import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { agent, cedar, opa, Pawl, policy, tool, type Policy, type PolicyCall } from "pawl";
import { memoryStore, scriptedModel, type ScriptedTurn } from "pawl/testing";
import { z } from "zod";

const call: PolicyCall = {
  tenant: "acme",
  principal: "ann",
  runId: "r1",
  runnable: "helper",
  tool: "refund",
  version: "1",
  args: { amount: 12.5, to: 'a"b', note: null },
  isTainted: true,
  origins: [],
};

interface Wire {
  readonly url: string;
  readonly asked: Record<string, unknown>[];
}

/** A real server on a free port. @param answer to a body; null = never */
async function served(
  answer: (body: Record<string, unknown>) => { readonly status?: number; readonly text: string } | null,
  use: (wire: Wire) => Promise<void>,
): Promise<void> {
  const asked: Record<string, unknown>[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      const body = JSON.parse(text) as Record<string, unknown>;
      asked.push(body);
      const said = answer(body);
      if (said !== null) response.writeHead(said.status ?? 200, { "content-type": "application/json" }).end(said.text);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/q`, asked });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

for (const [text, decision] of [
  ['{"result":true}', "allow"],
  ['{"result":false}', "refuse"],
  ['{"result":"ask"}', "ask"],
  ['{"result":{"decision":"ask","reason":"over the limit","rules":["limit"]}}', "ask"],
  ["{}", "refuse"],
  ['{"result":{"allow":true}}', "refuse"],
  ["not json", "refuse"],
  [`{"result":true,"pad":"${"x".repeat(70_000)}"}`, "refuse"],
] as const)
  test(`OPA's ${text.slice(0, 60)} is ${decision}`, () =>
    served(
      () => ({ text }),
      async ({ url, asked }) => {
        assert.equal((await opa({ url })(call)).decision, decision);
        assert.deepEqual(asked, [{ input: call }]);
      },
    ));

test("a policy server that fails, redirects, is silent or is not there refuses the call, and says which", async () => {
  for (const make of [opa, cedar] as const) {
    const why = async (policyOf: Policy): Promise<string | undefined> => {
      const { decision, reason } = await policyOf(call);
      return decision === "refuse" ? reason : decision;
    };
    await served(
      () => ({ status: 500, text: '{"result":true,"decision":"Allow"}' }),
      async ({ url }) => assert.match((await why(make({ url }))) ?? "", /status 500/),
    );
    await served(
      () => null,
      async ({ url }) => assert.match((await why(make({ url, timeLimitMs: 50 }))) ?? "", /did not answer in 50 ms/),
    );
    assert.match((await why(make({ url: "http://127.0.0.1:1/v1" }))) ?? "", /cannot be reached/);
    assert.throws(() => make({ url: "file:///etc/passwd" }), { code: "OPTION_INVALID" });
  }
});

const says = (decision: string, reason: readonly string[] = [], errors: readonly string[] = []): { text: string } => ({
  text: JSON.stringify({ decision, diagnostics: { reason, errors } }),
});

test("Cedar is asked as principal, action and resource, and what it allows passes", () =>
  served(
    () => says("Allow", ["staff"]),
    async ({ url, asked }) => {
      assert.deepEqual(await cedar({ url })(call), { decision: "allow", rules: ["cedar:staff"] });
      assert.deepEqual(asked, [
        {
          principal: 'Principal::"ann"',
          action: 'Action::"refund"',
          resource: 'Agent::"helper"',
          context: { approved: false, tainted: true, tenant: "acme", args: { amount: "12.5", to: 'a"b' } },
        },
      ]);
    },
  ));

test("what Cedar permits only with an approval waits for a person; what it never permits is refused", async () => {
  const isApproved = (body: Record<string, unknown>): boolean => (body["context"] as { approved: boolean }).approved;
  await served(
    (body) => says(isApproved(body) ? "Allow" : "Deny"),
    async ({ url }) => assert.equal((await cedar({ url })(call)).decision, "ask"),
  );
  await served(
    () => says("Deny"),
    async ({ url }) => assert.equal((await cedar({ url })(call)).decision, "refuse"),
  );
});

test("an Allow beside a policy that failed is refused", () =>
  served(
    () => says("Allow", ["staff"], ["error while evaluating policy `no-refunds`"]),
    async ({ url }) => assert.equal((await cedar({ url })(call)).decision, "refuse"),
  ));

test("a rule as code speaks about its tools, and is recorded by its name", async () => {
  const rule = policy({
    name: "small-refunds",
    tools: ["refund"],
    decide: ({ args }) => ((args as { amount: number }).amount > 10 ? { decision: "ask", reason: "over 10" } : null),
  });
  assert.deepEqual(await rule(call), { decision: "ask", rules: ["policy.small-refunds"], reason: "over 10" });
  assert.deepEqual(await rule({ ...call, args: { amount: 1 } }), { decision: "allow", rules: [] });
  assert.deepEqual(await rule({ ...call, tool: "read" }), { decision: "allow", rules: [] });
});

test("a run is refused, held or let go on by the server's word, and the record says by which rule", async () => {
  const pay = tool({
    name: "pay",
    version: "1",
    description: "Pays.",
    trust: "trusted",
    effect: "once",
    inputSchema: z.object({ amount: z.number() }),
    execute: () => "paid",
  });
  const clerk = agent({ name: "clerk", model: "m", instructions: "Pay.", tools: [pay] });
  const pays = (amount: number): ScriptedTurn => ({ toolCalls: [{ tool: "pay", input: { amount } }] });
  const verdictOf = (amount: number): string => (amount > 100 ? "refuse" : amount > 10 ? "ask" : "allow");
  const opaAnswer = (body: Record<string, unknown>) => {
    const { args } = body["input"] as { readonly args: { readonly amount: number } };
    return { text: JSON.stringify({ result: { decision: verdictOf(args.amount), rules: ["amount"] } }) };
  };
  const cedarAnswer = (body: Record<string, unknown>) => {
    const { approved, args } = body["context"] as {
      readonly approved: boolean;
      readonly args: { readonly amount: number };
    };
    const isAllowed = verdictOf(args.amount) === "allow" || (approved && verdictOf(args.amount) === "ask");
    return says(isAllowed ? "Allow" : "Deny", ["amount"]);
  };
  for (const [name, make, answer] of [
    ["opa", opa, opaAnswer],
    ["cedar", cedar, cedarAnswer],
  ] as const)
    await served(answer, async ({ url }) => {
      const models = scriptedModel([pays(5), pays(500), pays(50), { text: "Done." }]);
      const app = new Pawl({ store: memoryStore(), agents: [clerk], models, guard: { policies: [make({ url })] } });
      try {
        const run = await app.start(clerk, { input: "Pay." });
        assert.equal((await run.result()).status, "awaiting_approval");
        const verdicts: string[] = [];
        for await (const event of run.events())
          if (event.type === "tool.called") verdicts.push([event.verdict.decision, ...event.verdict.rules].join(" "));
        const rule = `${name}:amount`;
        assert.deepEqual(verdicts, [`allow ${rule}`, `refuse ${rule}`, `ask ${rule}`]);
      } finally {
        await app.close(0);
      }
    });
});
