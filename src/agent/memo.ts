import { isJsonObject, type JsonValue } from "../core/json.ts";

/** What an agent's turn hands to its next: small, and stored only when it says something. */
export interface Memo {
  /** Said to the model with the next request. */
  readonly hint: string | null;
  /** Answers in a row that were empty. */
  readonly emptyAnswers: number;
  /** Answers in a row that were cut, or did not fit the output's schema. */
  readonly repairs: number;
  /** The grounding sent an answer back: it does so once. */
  readonly sentBack: boolean;
  /** The last request was larger than the model's window: this turn compacts, and a second time is the end. */
  readonly overflowed: boolean;
  /** What the grounding collected; null = nothing. */
  readonly grounds: JsonValue;
}

const blank: Memo = { hint: null, emptyAnswers: 0, repairs: 0, sentBack: false, overflowed: false, grounds: null };

export function memoOf(stored: JsonValue | null): Memo {
  return isJsonObject(stored) ? { ...blank, ...(stored as unknown as Partial<Memo>) } : blank;
}

/** `state` of a turn's result: only members that differ from the blank memo; nothing at all for a blank one. */
export function storedMemo(memo: Memo): { readonly state?: JsonValue } {
  const said = Object.entries(memo).filter(([key, value]) => value !== blank[key as keyof Memo]);
  return said.length === 0 ? {} : { state: Object.fromEntries(said) as JsonValue };
}

export function withHint(memo: Memo, hint: string): Memo {
  return { ...memo, hint: memo.hint === null ? hint : `${memo.hint}\n\n${hint}` };
}
