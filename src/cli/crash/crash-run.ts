import { limits } from "../../core/limits.ts";
import { z } from "zod";
import { errorText } from "../../core/json.ts";
import { notApplied, PawlError } from "../../core/errors.ts";
import type { Runnable } from "../../core/runnable.ts";
import type { ToolContext } from "../../core/tool-contract.ts";
import { durable } from "../../engine/durable-function.ts";
import { tool } from "../../tools.ts";

export const crashName = "crash-demo";

/** Where the counter of a crash demo listens: the outside world of its run. */
export interface CrashPlace {
  readonly counterUrl: string;
}

/** Set in the process that is to die: without it the same code runs through. */
export const victimVariable = "PAWL_CRASH_VICTIM";

/** One tool of each effect; together they are what a crash in the middle can hit. */
export const crashTools = ["look_up_price", "charge_card", "book_room", "send_letter"] as const;
export type CrashTool = (typeof crashTools)[number];

/** Short, because a call that may still be acting is given this long after its worker died. */
const TIME_LIMIT_MS = 2_000;
/** How long such a call is waited for at most: until its worker counts as dead, its time, and the beats at both ends. */
export const crashGraceMs: number = limits.sessionDeadMs + TIME_LIMIT_MS + 2 * limits.beatMs;

/**
 * A function that makes four calls at once, one of each effect. In the victim process the last of them to arrive kills
 * the process: all four have happened, and none is recorded.
 */
export function crashRun(place: CrashPlace): Runnable {
  const parts = (name: CrashTool, description: string) => ({
    name,
    version: "1",
    description,
    inputSchema: z.object({ order: z.string() }),
    timeLimitMs: TIME_LIMIT_MS,
    execute: (_input: unknown, ctx: ToolContext) => act(place, name, ctx),
  });
  const lookUp = tool({ ...parts("look_up_price", "Reads a price."), effect: "pure" });
  const charge = tool({
    ...parts("charge_card", "Charges a card; the receiver knows the key again."),
    effect: "idempotent",
  });
  const book = tool({
    ...parts("book_room", "Books a room; the receiver can be asked."),
    effect: "reconcilable",
    reconcile: async (_input, ctx) => {
      const happened = await ask<boolean>(
        place,
        `happened?tool=book_room&key=${encodeURIComponent(ctx.idempotencyKey)}`,
      );
      return happened ? { happened: true, result: "booked, says the receiver" } : { happened: false };
    },
  });
  const send = tool({ ...parts("send_letter", "Sends a letter; nobody can be asked."), effect: "once" });
  return durable({
    name: crashName,
    description: "Four calls at once, one of each effect.",
    tools: [lookUp, charge, book, send],
    run: async (ctx) => {
      const order = { order: "4711" };
      const [price, paid, room, letter] = await Promise.all([
        ctx.call(lookUp, order),
        ctx.call(charge, order),
        ctx.call(book, order),
        ctx.call(send, order),
      ]);
      return { price, paid, room, letter };
    },
  });
}

interface Delivery {
  /** How often this tool has arrived, this time included. */
  readonly count: number;
  /** Every tool has arrived at least once. */
  readonly isComplete: boolean;
}

async function act(place: CrashPlace, name: CrashTool, ctx: ToolContext): Promise<string> {
  const { count, isComplete } = await ask<Delivery>(
    place,
    `deliver?tool=${name}&key=${encodeURIComponent(ctx.idempotencyKey)}`,
  );
  if (process.env[victimVariable] !== undefined) {
    if (isComplete) process.kill(process.pid, "SIGKILL");
    // it has happened; the others wait for the end, so that nothing of it is recorded
    await new Promise<never>(() => {});
  }
  return `arrived, delivery ${count}`;
}

/** Asks the counter. One that is gone has done nothing. */
async function ask<T>({ counterUrl }: CrashPlace, path: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`${counterUrl}/${path}`);
  } catch (error) {
    throw notApplied(`the counter at ${counterUrl} is gone (${errorText(error, 100)}): it ends with its demo.`);
  }
  if (!response.ok) throw new PawlError("TOOL_FAILED", `the counter answered ${response.status}.`);
  return (await response.json()) as T;
}
