import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { agent, channel, durable, END, graph, START, tool } from "pawl";
import type { Budget } from "../../src/core/budget-rules.ts";
import type { ModelEndpoint, ModelSource } from "../../src/core/model-contract.ts";
import type { Runnable } from "../../src/core/runnable.ts";
import { pool, type EndpointOptions } from "../../src/models.ts";
import { scriptedModel, type Script } from "../../src/testing.ts";
import { systemClock } from "../../src/engine/system-clock.ts";
import { hostileTexts } from "./hostile.ts";

// The agents that the console's tests look at. What their tools do outside is told to `log`, which the test reads.

export interface World {
  readonly log: (line: string) => void;
  /** How long the slow tool takes: the test kills its process meanwhile. */
  readonly slowMs: number;
}

const invoice = {
  invoiceId: "INV-7",
  customer: "Ada Lovelace",
  charges: [
    { date: "2026-11-02", amountUsd: 80, reference: "ch_9f31" },
    { date: "2026-11-02", amountUsd: 80, reference: "ch_9f32" },
  ],
  note: "The second charge ch_9f32 is a duplicate of the first.",
};

const refundInput = z.object({
  invoiceId: z.string().max(40),
  amountUsd: z.number().positive(),
  reference: z.string().max(40).describe("Of the charge, as the invoice has it."),
  cause: z.enum(["duplicate", "goodwill"]).optional(),
});

function billingAgent({ log }: World): Runnable {
  const lookup = tool({
    name: "lookup_invoice",
    version: "1",
    description: "Read an invoice with its charges.",
    inputSchema: z.object({ invoiceId: z.string() }),
    effect: "pure",
    trust: "trusted", // our own books
    execute: async () => {
      await wait(120);
      return invoice;
    },
  });
  const refund = tool({
    name: "refund",
    version: "2",
    description: "Refund one charge.",
    inputSchema: refundInput,
    effect: "idempotent",
    trust: "trusted",
    approval: ({ amountUsd }) => ({ ask: amountUsd > 50, reason: `${amountUsd} USD is above the limit of 50` }),
    execute: async ({ reference, amountUsd }, ctx) => {
      log(`refund ${reference} ${amountUsd} ${ctx.idempotencyKey}`);
      await wait(200);
      return { refunded: amountUsd, reference, receipt: "rf_7731" };
    },
  });
  const letter = tool({
    name: "send_letter",
    version: "1",
    description: "Send a letter to a customer.",
    inputSchema: z.object({ to: z.string(), text: z.string() }),
    effect: "once",
    execute: async ({ to }) => {
      log(`letter ${to}`);
      await wait(80);
      return "sent";
    },
  });
  return agent({
    name: "billing",
    description: "Settles billing complaints. Refunds only what an invoice proves.",
    model: "test/billing",
    instructions: "Settle billing complaints. Refund only what an invoice proves.",
    samples: ["INV-7 was charged twice. Please refund one of the charges.", "Why was INV-9 so high?"],
    tools: [lookup, refund, letter],
    limits: { turns: 20, costUsd: 0.5 },
  });
}

const billingScript: Script = [
  {
    reasoning: "The customer says that INV-7 was charged twice. The invoice has to prove it first.",
    text: "I look at the invoice first.",
    toolCalls: [{ tool: "lookup_invoice", input: { invoiceId: "INV-7" } }],
    delayMs: 150,
  },
  {
    text: "The invoice shows two charges of 80 USD on the same day; ch_9f32 is the duplicate.",
    toolCalls: [{ tool: "refund", input: { invoiceId: "INV-7", amountUsd: 80, reference: "ch_9f32" } }],
    delayMs: 150,
  },
  {
    text: "The refund went through.",
    toolCalls: [{ tool: "send_letter", input: { to: "Ada Lovelace", text: "We refunded 80 USD (ch_9f32)." } }],
    delayMs: 100,
  },
  {
    text: "Done. The duplicate charge ch_9f32 of 80 USD was refunded (receipt rf_7731), and Ada Lovelace was told by letter.",
    delayMs: 100,
  },
];

/** Takes its time over something that acts outside: the place to kill a worker. */
function slowAgent({ log, slowMs }: World): Runnable {
  const crunch = tool({
    name: "crunch",
    version: "1",
    description: "Work for a while.",
    inputSchema: z.object({ job: z.string() }),
    effect: "idempotent",
    execute: async ({ job }, ctx) => {
      log(`crunch ${job} ${ctx.idempotencyKey}`);
      await wait(slowMs);
      return { job, done: true };
    },
  });
  return agent({
    name: "slow",
    description: "Works for a while, then says so.",
    model: "test/slow",
    instructions: "Crunch, then say so.",
    tools: [crunch],
  });
}

/** Acts outside, once, and takes its time: killed in the middle, nobody knows what became of it. */
function posterAgent({ log, slowMs }: World): Runnable {
  const post = tool({
    name: "post_parcel",
    version: "1",
    description: "Hand a parcel to the post.",
    inputSchema: z.object({ to: z.string() }),
    effect: "once",
    timeLimitMs: slowMs + 1_000,
    execute: async ({ to }) => {
      log(`parcel ${to}`);
      await wait(slowMs);
      return { posted: to };
    },
  });
  return agent({
    name: "poster",
    description: "Posts parcels.",
    model: "test/poster",
    instructions: "Post the parcel.",
    tools: [post],
  });
}

/** Everything that it reads and writes is meant to break out of the page. */
function hostileAgent(): Runnable {
  const read = tool({
    name: "read_page",
    version: "1",
    description: "Read a page of the web.",
    inputSchema: z.object({ url: z.string(), note: z.string() }),
    effect: "pure",
    shownCharsMax: 2_000_000,
    execute: async () => ({ texts: hostileTexts, line: "x".repeat(1_000_000) }),
  });
  return agent({
    name: "hostile",
    description: "Reads what is meant to break out.",
    model: "test/hostile",
    instructions: "Read.",
    tools: [read],
    limits: { tokens: 20_000_000 },
  });
}

/** Asks about whatever it was told: as the reason, and as the argument. */
function injectedAgent(): Runnable {
  const note = tool({
    name: "note",
    version: "1",
    description: "Note it down.",
    inputSchema: z.object({ text: z.string() }),
    effect: "once",
    capabilities: ["net:notes.example.org"],
    approval: ({ text }) => ({ ask: true, reason: text }),
    execute: async () => "noted",
  });
  return agent({
    name: "injected",
    description: "Notes what it is told.",
    model: "test/injected",
    instructions: "Note it.",
    tools: [note],
  });
}

/** Fails at a tool and ends without an answer. */
function failingAgent(): Runnable {
  const call = tool({
    name: "call_bank",
    version: "1",
    description: "Ask the bank.",
    inputSchema: z.object({ account: z.string() }),
    effect: "pure",
    attempts: 1,
    execute: async () => {
      throw new Error("the bank answered 503: maintenance until 18:00");
    },
  });
  return agent({
    name: "failing",
    description: "Asks a bank that is closed.",
    model: "test/failing",
    instructions: "Ask the bank.",
    tools: [call],
  });
}

/** Many steps in many turns, for the timeline. */
const manySteps: Runnable = durable({
  name: "many-steps",
  input: z.object({ steps: z.number().int() }),
  run: async (ctx, { steps }) => {
    const done = typeof ctx.loopState === "number" ? ctx.loopState : 0;
    const now = Math.min(steps - done, 400);
    for (let i = 0; i < now; i += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, now - i) }, (_, j) =>
          ctx.step(`step ${done + i + j + 1}`, { effect: "pure" }, () => done + i + j + 1),
        ),
      );
    return done + now >= steps ? `${steps} steps` : ctx.loop(done + now);
  },
});

/** Asks, counts in parallel, joins, and goes round until it has enough. */
function roundGraph(): Runnable {
  return graph({
    name: "rounds",
    state: { n: channel.reduce(0, (a: number, b: number) => a + b), log: channel.append<string>() },
  })
    .addNode("plan", ({ n }) => ({ log: [`from ${n}`] }))
    .addNode("fetch", () => ({ n: 1 }), { effect: "idempotent" })
    .addMap(
      "read",
      () => [1, 2, 3],
      async (file, ctx) => ctx.step(`read ${file}`, { effect: "pure" }, () => ({ log: [`${file}`] })),
    )
    .addNode("join", ({ n }) => ({ log: [`at ${n}`] }))
    .addEdge(START, "plan")
    .addEdge("plan", "fetch")
    .addEdge("plan", "read")
    .addEdge(["fetch", "read"], "join")
    .addConditionalEdges("join", ({ n }) => (n < 3 ? "plan" : END), ["plan", END])
    .compile();
}

export function worldAgents(world: World): readonly Runnable[] {
  return [
    roundGraph(),
    billingAgent(world),
    slowAgent(world),
    posterAgent(world),
    hostileAgent(),
    injectedAgent(),
    failingAgent(),
    manySteps,
    talker,
    asker,
    spender,
  ];
}

const talker: Runnable = agent({
  name: "talker",
  description: "Talks at length.",
  model: "test/talker",
  instructions: "Talk.",
});

/** Its first endpoint is down, so that its fallback answers. */
const asker: Runnable = agent({
  name: "asker",
  description: "Asks a pool whose first endpoint is down.",
  model: "smart",
  instructions: "Ask.",
});

/** A budget of all its runs has no room for a call. */
const spender: Runnable = agent({
  name: "spender",
  description: "Has spent what it may.",
  model: "test/talker",
  instructions: "Spend.",
});
export const worldBudgets: readonly Budget[] = [
  { name: "each-user", scope: "user", window: "day", costUsd: 5, mode: "soft" },
  { name: "spender-runs", scope: "agent", match: "spender", window: "month", tokens: 40 },
];

const scripts: { readonly [route: string]: Script } = {
  "test/billing": billingScript,
  "test/slow": [
    { text: "I begin.", toolCalls: [{ tool: "crunch", input: { job: "nightly" } }] },
    { text: "The nightly job is done." },
  ],
  "test/poster": [
    { text: "I post it.", toolCalls: [{ tool: "post_parcel", input: { to: "Ada Lovelace" } }] },
    { text: "The parcel is on its way." },
  ],
  "test/hostile": [
    {
      text: `I read it.\n${hostileTexts.join("\n")}`,
      toolCalls: [{ tool: "read_page", input: { url: "http://127.0.0.1:9/pixel.png", note: hostileTexts.join(" ") } }],
    },
    { text: `This is what it says:\n${hostileTexts.join("\n")}` },
  ],
  "test/injected": ({ messages }) => {
    const parts = messages.findLast(({ role }) => role === "user")?.content ?? [];
    const text = parts.flatMap((part) => (part.type === "text" ? part.text : [])).join("");
    return { toolCalls: [{ tool: "note", input: { text } }] };
  },
  "test/failing": [
    { toolCalls: [{ tool: "call_bank", input: { account: "DE02" } }] },
    { error: { code: "MODEL_REQUEST_INVALID", message: "the provider refused the request: no such account" } },
  ],
  "test/down": () => ({ error: { code: "MODEL_UNAVAILABLE", message: "the provider answered 503" } }),
  "test/talker": [{ text: Array.from({ length: 60 }, (_, i) => `Sentence ${i + 1} of the long talk.`).join(" ") }],
};

const price = { inputUsd: 3, outputUsd: 15, cachedInputUsd: 0.3, source: "a test's price list", date: "2026-11-01" };

/** A pool of scripted models, whose answers come in pieces one after another as from a provider. */
export function worldModels(pieceMs: number): ModelSource {
  const models = scriptedModel(scripts, { price, clock: systemClock, deltaChars: 12 });
  const endpoints = Object.keys(scripts).map((route): ModelEndpoint => {
    const next = models.next(route, [], 0);
    if (next.type !== "try") throw new Error(`there is no script for ${route}`);
    const { endpoint } = next;
    return {
      ...endpoint,
      async *generate(request, options) {
        for await (const part of endpoint.generate(request, options)) {
          if (part.type !== "finish") await wait(pieceMs, undefined, { signal: options.signal });
          yield part;
        }
      },
    };
  });
  const keyless: EndpointOptions = {
    name: "claude-eu",
    provider: "anthropic",
    model: "claude-sonnet-5-5",
    requestsPerMinute: 50,
    tokensPerMinute: 40_000,
    at: { key: { env: "PAWL_TEST_NO_SUCH_KEY" } },
  };
  return pool({
    endpoints: [...endpoints, keyless],
    routes: {
      smart: { endpoints: ["test/down"], fallbacks: ["test/talker", "claude-eu"], hedge: { afterMs: 60_000 } },
    },
  });
}
