import { agent, type Agent, type Budget } from "pawl";

/** What two processes share: room for one call of 1,000 tokens. */
export const budgets: readonly Budget[] = [
  { name: "team", scope: "tenant", window: "month", tokens: 1_500, shrinkOutput: false },
];
export const spender: Agent = agent({ name: "spender", model: "r", instructions: "x", maxOutputTokens: 1_000 });
