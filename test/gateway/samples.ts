import type { Route } from "./served.ts";

/** A body that each route takes and that changes nothing where the ids are of nobody. A new route with a body adds its own. */
const bodies: { readonly [route: string]: unknown } = {
  "POST /api/v1/runs": { agent: "nobody", input: "x" },
  "POST /api/v1/runs/:runId/fork": { turn: 0 },
  "POST /api/v1/runs/:runId/cancel": { reason: "test" },
  "POST /api/v1/runs/:runId/pause": { reason: "test" },
  "POST /api/v1/runs/:runId/unblock": { action: "retry" },
  "POST /api/v1/runs/:runId/messages": { text: "hello" },
  "POST /api/v1/runs/:runId/answer": { text: "hello" },
  "POST /api/v1/runs/:runId/signals": { name: "go", value: 1 },
  "POST /api/v1/runs/:runId/tools": { tools: ["echo"] },
  "POST /api/v1/runs/:runId/budget": { scope: "tokens", amount: 1 },
  "POST /api/v1/runs/:runId/effects/:callId/resolution": { resolution: "not_applied" },
  "POST /api/v1/models/check": { route: "nobody" },
  "POST /api/v1/tools/:tool/accept": { hash: "0".repeat(32) },
  "POST /api/v1/tools/:tool/quarantine": {},
  "POST /api/v1/grants": { tool: "nobody", capabilities: ["net:*"] },
  "POST /api/v1/budgets/:budget/caps": { caps: { tokens: 1 } },
  "POST /api/v1/approvals/:approvalId/claim": {},
  "POST /api/v1/approvals/:approvalId/comments": { text: "hello" },
  "POST /api/v1/runs/:runId/calls/:callId/outcome": { outcome: "right" },
  "POST /api/v1/approvals/:approvalId/decision": { decision: "approve", shownHash: "0".repeat(32) },
  "POST /api/v1/keys": { name: "x", roles: ["read"] },
  "POST /api/v1/keys/:keyId/rotate": { graceSeconds: 0 },
  "POST /v1/chat/completions": { model: "agent/nobody", messages: [{ role: "user", content: "x" }] },
  "POST /mcp": { jsonrpc: "2.0", id: 1, method: "tools/list" },
  "POST /v1/responses": { model: "agent/nobody", input: "x" },
  "POST /v1/messages/count_tokens": { model: "nobody", messages: [{ role: "user", content: "x" }] },
  "POST /v1/messages": { model: "agent/nobody", max_tokens: 1, messages: [{ role: "user", content: "x" }] },
};

const queries: { readonly [route: string]: string } = {
  "GET /api/v1/usage": "?by=day",
  "GET /api/v1/runs/:runId/usage": "?by=call",
};

export function bodyOf({ method, url }: Route): unknown {
  return bodies[`${method} ${url}`];
}

/** Ids of nobody, in the shape of each parameter. */
export const missing: { readonly [parameter: string]: string } = {
  runId: "nobody-1",
  threadId: "nobody-2",
  callId: "t9-9",
  approvalId: "nobody-1:t9-9",
  spanId: "0123456789abcdef",
  hash: "0".repeat(32),
  keyId: "000000000000",
  agent: "nobody",
  budget: "nobody",
  tool: "nobody",
  grant: "nobody-3",
};

export function pathOf({ method, url }: Route, ids: { readonly [parameter: string]: string }): string {
  const query = queries[`${method} ${url}`] ?? "";
  const path = url.replaceAll(/:(\w+)/g, (_, name: string) => {
    const id = ids[name] ?? missing[name];
    if (id === undefined) throw new Error(`samples.ts has no id for ":${name}" of ${url}: add one to "missing".`);
    return encodeURIComponent(id);
  });
  return `${path}${query}`;
}
