import type { RunRef } from "../core/id.ts";
import type { Store } from "../core/store-contract.ts";
import type { Span, SpanDetail } from "../core/trace-contract.ts";

export async function spanDetail(_store: Store, _ref: RunRef, span: Span): Promise<SpanDetail> {
  return { span, input: null, output: null, request: null, attempts: [], causes: [], restsOn: [], events: [] };
}
