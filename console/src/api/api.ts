import type { Page } from "../../../src/core/store-contract.ts";
import { ask, pathWith } from "./http.ts";
import type {
  AgentDetail,
  AgentSummary,
  ApprovalDetail,
  BudgetScope,
  DecideRequest,
  EffectRow,
  ListEffectsQuery,
  ListRunsQuery,
  ResolveEffectRequest,
  ReviewItem,
  RunDetail,
  RunListItem,
  RunSummary,
  SpanDetail,
  SpanWindow,
  StartRunRequest,
} from "./types.ts";

// Every request of the console, by the names of the API. Ids come from the server, but stand in a path only encoded.

const enc = encodeURIComponent;
type Signal = AbortSignal | undefined;
const post = <T>(path: string, body: unknown, headers: { readonly [name: string]: string } = {}): Promise<T> =>
  ask<T>(pathWith(path), { method: "POST", body, headers });
const get = <T>(path: string, query: object, signal: Signal): Promise<T> => ask<T>(pathWith(path, query), { signal });

export const api = {
  agents: (signal: Signal) => get<Page<AgentSummary>>("/agents", {}, signal),
  agent: (name: string, signal: Signal) => get<AgentDetail>(`/agents/${enc(name)}`, {}, signal),

  runs: (query: ListRunsQuery, signal: Signal) => get<Page<RunListItem>>("/runs", query, signal),
  run: (runId: string, signal: Signal) => get<RunDetail>(`/runs/${enc(runId)}`, {}, signal),
  /** Repeated with the same key, it gives the same run. */
  start: (request: StartRunRequest, key: string) => post<RunSummary>("/runs", request, { "idempotency-key": key }),
  cancel: (runId: string, reason: string) => post<unknown>(`/runs/${enc(runId)}/cancel`, { reason }),
  pause: (runId: string, reason: string) => post<unknown>(`/runs/${enc(runId)}/pause`, { reason }),
  resume: (runId: string) => post<unknown>(`/runs/${enc(runId)}/resume`, undefined),
  unblock: (runId: string, action: "retry" | "fail") => post<unknown>(`/runs/${enc(runId)}/unblock`, { action }),
  message: (runId: string, text: string) => post<unknown>(`/runs/${enc(runId)}/messages`, { text }),
  raiseBudget: (runId: string, scope: BudgetScope, amount: number) =>
    post<unknown>(`/runs/${enc(runId)}/budget`, { scope, amount }),
  fork: (runId: string, turn: number) => post<RunSummary>(`/runs/${enc(runId)}/fork`, { turn }),

  spans: (runId: string, from: number, limit: number, signal: Signal) =>
    get<SpanWindow>(`/runs/${enc(runId)}/spans`, { from, limit }, signal),
  span: (runId: string, spanId: string, signal: Signal) =>
    get<SpanDetail>(`/runs/${enc(runId)}/spans/${enc(spanId)}`, {}, signal),

  reviews: (cursor: string | undefined, signal: Signal) =>
    get<Page<ReviewItem>>("/approvals", cursor === undefined ? {} : { cursor }, signal),
  approval: (approvalId: string, signal: Signal) => get<ApprovalDetail>(`/approvals/${enc(approvalId)}`, {}, signal),
  claim: (approvalId: string) => post<unknown>(`/approvals/${enc(approvalId)}/claim`, {}),
  decide: (approvalId: string, request: DecideRequest) =>
    post<unknown>(`/approvals/${enc(approvalId)}/decision`, request),

  effects: (query: ListEffectsQuery, signal: Signal) => get<Page<EffectRow>>("/effects", query, signal),
  resolveEffect: (runId: string, callId: string, request: ResolveEffectRequest) =>
    post<unknown>(`/runs/${enc(runId)}/effects/${enc(callId)}/resolution`, request),
};
