import type { Place } from "./place.ts";

/** Options as commander gives them: each command knows its own. */
export type Options = Place & { readonly [option: string]: never };
export type Act = (
  load: (args: readonly (string | undefined)[], options: Options) => Promise<number>,
) => (...parts: unknown[]) => Promise<void>;
