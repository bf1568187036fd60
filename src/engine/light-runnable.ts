import type { Runnable } from "../core/runnable.ts";

/**
 * The runnable of light runs: code outside of any run that is traced. It is executed by the process that began it and by
 * nobody else, so whoever else gets to run it has found what a dead process left, and ends it as failed.
 */
export const lightRunnable: Runnable = {
  name: "pawl.trace",
  version: "1",
  lane: "pawl.trace@1",
  description: "Code outside of a run, traced.",
  inputSchema: null,
  definition: null,
  tools: [],
  uses: [],
  routes: [],
  limits: {},
  parseInput: (value) => ({ ok: true, value }),
  turn: () =>
    Promise.resolve({
      type: "fail",
      error: { code: "WORKER_LOST", message: "the process whose code this traced died before the code ended" },
    }),
  bestAnswer: () => null,
};
