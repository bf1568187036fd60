import { isJsonObject, type JsonValue } from "../core/json.ts";

/** What an agent's turn hands to its next: small, and stored only when it says something. */
export interface Memo {
  /** Said to the model with the next request. */
  readonly hint: string | null;
  /** Best answer so far. */
  readonly best: string | null;
  readonly emptyAnswers: number;
  readonly repairs: number;
  readonly sentBack: boolean;
  /** What the grounding collected; null = nothing. */
  readonly grounds: JsonValue;
}

const blank: Memo = { hint: null, best: null, emptyAnswers: 0, repairs: 0, sentBack: false, grounds: null };
const BEST_CHARS_MAX = 4_000;

export function memoOf(stored: JsonValue | null): Memo {
  return isJsonObject(stored) ? { ...blank, ...(stored as unknown as Partial<Memo>) } : blank;
}

/** `state` of a turn's result: only members that differ from the blank memo; nothing at all for a blank one. */
export function storedMemo(memo: Memo): { readonly state?: JsonValue } {
  const cut = { ...memo, best: memo.best === null ? null : memo.best.slice(0, BEST_CHARS_MAX) };
  const said = Object.entries(cut).filter(([key, value]) => value !== blank[key as keyof Memo]);
  return said.length === 0 ? {} : { state: Object.fromEntries(said) as JsonValue };
}

export function withHint(memo: Memo, hint: string): Memo {
  return { ...memo, hint: memo.hint === null ? hint : `${memo.hint}\n\n${hint}` };
}
