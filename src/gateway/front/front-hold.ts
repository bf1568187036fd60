import { tighter, type Amount, type BudgetNote, type Caps } from "../../core/budget.ts";
import { PawlError } from "../../core/errors.ts";
import { utf8Bytes } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { ModelEndpoint, ModelRequest } from "../../core/model-contract.ts";
import type { RunState } from "../../core/run-state.ts";
import type { LedgerAmount, LedgerScope } from "../../core/store-contract.ts";
import { worstCostOf } from "../../core/usage.ts";
import type { EngineDeps, SharedAmount } from "../../engine/deps.ts";
import { fitModel } from "../../engine/fit-model.ts";
import { refusedBy } from "../../engine/shared-reserve.ts";
import { billOf, type FrontCall, type LoggedAttempt } from "./call-record.ts";
import type { Escrow } from "./escrow.ts";

interface Holding {
  readonly call: FrontCall;
  readonly parts: { readonly deps: EngineDeps; readonly escrow: Escrow };
  readonly state: RunState;
}

/** What an attempt may use, and the request as it is made with that. */
export interface Held {
  readonly amount: Amount;
  /** Its output limit may be smaller than what was asked for. */
  readonly request: ModelRequest;
  readonly mayHedge: boolean;
  readonly notes: readonly BudgetNote[];
  settle(record: LoggedAttempt): void;
}

type Wanted = Pick<Held, "amount" | "request" | "mayHedge">;

/**
 * The worst case of an attempt, held. Its input counts by its bytes, which no tokenizer exceeds and which cost nothing to
 * know; where that does not fit, it is counted, and where a budget allows it the output limit shrinks until it fits.
 * @throws BUDGET_REFUSED
 */
export async function hold(holding: Holding, endpoint: ModelEndpoint): Promise<Held> {
  const { request } = holding.call.asked;
  const mayHedge = endpoint.beside !== undefined;
  const isCounted = holding.parts.deps.hooks.sharedScopes !== undefined;
  const amount = worstOf(endpoint, request, isCounted ? bytesOf(request) : 0);
  if (!isCounted) return { amount, request, mayHedge, notes: [], settle: () => undefined };
  const first = await taken(holding, { amount, request, mayHedge });
  return first.type === "held" ? first.held : fitted(holding, endpoint);
}

async function fitted(holding: Holding, endpoint: ModelEndpoint): Promise<Held> {
  const { request } = holding.call.asked;
  // a call through the front has no budget of its own
  const state = { ...holding.state, caps: { tokens: null, costNanoUsd: null, calls: null } };
  let room: Caps | null = null;
  let refused: unknown = null;
  for (let shrinks = 0; shrinks <= limits.budgetShrinks; shrinks++) {
    const fit = fitModel(endpoint, request, state, room);
    if (fit.type === "held") break;
    const result = await taken(holding, { ...fit, amount: { ...fit.reservation, calls: 1 } });
    if (result.type === "held") return result.held;
    refused ??= result.error;
    if (result.room === null) break;
    room = room === null ? result.room : tighter(room, result.room);
  }
  throw refused;
}

type Taken =
  | { readonly type: "held"; readonly held: Held }
  | { readonly type: "refused"; readonly error: PawlError; readonly room: Caps | null };

async function taken({ call, parts, state }: Holding, wanted: Wanted): Promise<Taken> {
  const { deps, escrow } = parts;
  const shared = (await deps.hooks.sharedScopes?.(state, wanted.amount, deps)) ?? [];
  const amounts = shared.map(({ scope, window, unit, amount }) => ({ scope, window, unit, amount }));
  try {
    const taking = await escrow.take(call.started.tenant, amounts);
    const notes = taking.unused === null ? [] : await notesOf(shared, taking.unused);
    return { type: "held", held: { ...wanted, notes, settle: (record) => taking.settle(usedOf(amounts, record)) } };
  } catch (error) {
    if (!PawlError.is(error, "BUDGET_REFUSED")) throw error;
    const { scope, window, unit, left } = error.details as unknown as LedgerScope & { readonly left: number };
    return {
      type: "refused",
      error,
      room: refusedBy(shared, { type: "refused", scope: { scope, window, unit }, left }).room,
    };
  }
}

/** What the budgets have to say, asked whenever the ledger was: what nobody uses yet of what it gave does not count. */
async function notesOf(shared: readonly SharedAmount[], unused: readonly number[]): Promise<readonly BudgetNote[]> {
  const notes = await Promise.all(shared.map(async ({ watch }, i) => (await watch?.(unused[i])) ?? null));
  return notes.filter((note) => note !== null);
}

const FILE_TOKENS = 4_000;
const PART_TOKENS = 16;

function worstOf(endpoint: ModelEndpoint, request: ModelRequest, inputTokens: number): Amount {
  const output = request.params.maxOutputTokens;
  const all = endpoint.beside === undefined ? [endpoint] : [endpoint, endpoint.beside];
  const costs = all.map(({ price }) => worstCostOf(inputTokens, output, price)).filter((cost) => cost !== null);
  const costNanoUsd = costs.length === all.length ? costs.reduce((a, b) => a + b, 0) : null;
  return { tokens: all.length * (inputTokens + output), costNanoUsd, calls: 1 };
}

function bytesOf({ system, messages, tools }: ModelRequest): number {
  let bytes = utf8Bytes(system) + PART_TOKENS;
  for (const tool of tools) bytes += utf8Bytes(JSON.stringify(tool)) + PART_TOKENS;
  for (const { content } of messages) {
    for (const part of content) {
      if (part.type === "file") bytes += FILE_TOKENS;
      else if (part.type === "text" || part.type === "reasoning") bytes += utf8Bytes(part.text) + PART_TOKENS;
      else bytes += utf8Bytes(JSON.stringify(part)) + PART_TOKENS;
    }
  }
  return bytes;
}

/** What an attempt used, in the units of its amounts. */
function usedOf(amounts: readonly LedgerAmount[], record: LoggedAttempt): readonly LedgerAmount[] {
  const bill = billOf(record);
  return amounts.map((one) => {
    if (one.unit === "calls") return { ...one, amount: bill === null ? 0 : one.amount };
    const tokens = bill === null ? 0 : bill.tokens;
    return { ...one, amount: one.unit === "tokens" ? tokens : (bill?.costNanoUsd ?? 0) };
  });
}
