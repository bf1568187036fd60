// What isolated.test.ts runs in a process of its own.
import type { IsolatedContext } from "../../src/tools/isolated-task.ts";
import { notApplied } from "../../src/core/errors.ts";

export async function greet({ name }: { name: string }, ctx: IsolatedContext): Promise<object> {
  const file = await ctx.putArtifact(new TextEncoder().encode(`Hello ${name}`));
  const kept = await ctx.readArtifact(file);
  const secret = await ctx.secret("KEY").catch((error: unknown) => String(error));
  return { said: new TextDecoder().decode(kept ?? undefined), secret, key: ctx.idempotencyKey, pid: process.pid };
}

export function block(): never {
  for (;;);
}

export function exit(): never {
  process.exit(3);
}

export function throwLater(): Promise<never> {
  setTimeout(() => {
    throw new Error("nobody catches this");
  }, 1);
  return Promise.withResolvers<never>().promise;
}

export function refuse(): never {
  throw notApplied("the shop is closed");
}

export function odd(): unknown {
  return { n: 1n };
}
