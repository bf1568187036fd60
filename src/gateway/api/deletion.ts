import { z } from "zod";
import { count } from "./values.ts";

export interface Deleted {
  /** With the children. */
  readonly runs: number;
}

export const deleted: z.ZodType<Deleted> = z
  .object({ runs: count })
  .meta({ id: "Deleted", description: "How many runs are gone, with the children." });
