import { userText } from "../core/message.ts";
import type { ContextEntry } from "../core/run-context.ts";
import type { PromptDraft, TurnContext } from "../core/runnable.ts";
import type { AgentDefinition, AgentTurn } from "./definition.ts";
import { summaryOf, textOfInput } from "./summary.ts";

const CHARS_PER_TOKEN = 4;
/** Share of the window at which older turns are compacted, what is then kept of it, what it must free, what may be pinned. */
const COMPACT_AT = 0.8;
const KEEP = 0.3;
const FREE = 0.1;
const PINNED = 0.1;

/** The first messages of a run's conversation: what its thread left, then the input. */
export function firstMessages(ctx: TurnContext): readonly PromptDraft[] {
  const { input, state } = ctx;
  const label = state.started.inputRef.label;
  const history: readonly PromptDraft[] = state.contextRefs.map((ref) => ({ ref }));
  return [...history, { message: userText(textOfInput(input)), ...(label && { label }) }];
}

/**
 * Replaces the older part of the conversation by a summary event, when the window is about to be full or the last request
 * passed the model's own. Pairs of calls and results stay whole, what people said on the way stays in their words, and what
 * is recent stays as it is.
 * @returns false when nothing was compacted
 */
export async function compact(turn: AgentTurn): Promise<boolean> {
  const { ctx, definition, memo } = turn;
  const { entries } = ctx.state.context;
  const { total, perToken } = sizeOf(turn);
  const tokens = (some: readonly ContextEntry[]): number => Math.ceil(roughTokens(some) * perToken);
  if (total <= definition.contextTokens * COMPACT_AT && !memo.overflowed) return false;
  // the model's own window may be smaller than the agent's: then a share of what there is says how much is recent
  const window = memo.overflowed ? tokens(entries) : definition.contextTokens;
  const old = entries.slice(0, cutOf(entries, (window * KEEP) / perToken));
  const pinned = pinnedOf(old, (window * PINNED) / perToken);
  const gone = old.filter((entry) => !pinned.includes(entry.seq));
  if (gone.length < 2 || tokens(gone) < window * FREE) return false;
  const { ref, byCallId } = await summaryOf(turn, gone);
  const written = tokens([{ seq: 0, source: { kind: "message", ref } }]);
  ctx.note({
    type: "context.compacted",
    ...rangeOf(old),
    summaryRef: ref,
    pinned,
    ...(byCallId !== null && { byCallId }),
    tokensBefore: total,
    tokensAfter: Math.max(written, total - tokens(gone) + written),
  });
  return true;
}

/**
 * Tokens of the next request, and how many real tokens one of the rough estimate is. The last request was counted by the
 * tokenizer, and its answer told what the provider counts; only what came since is an estimate, in their proportion.
 */
function sizeOf({ ctx, definition }: AgentTurn): { readonly total: number; readonly perToken: number } {
  const { entries, pending, tokens } = ctx.state.context;
  const rough = roughTokens(entries) + systemTokens(definition);
  if (tokens === null || rough === 0) return { total: rough + roughTokens(pending), perToken: 1 };
  // the answer that was told of stands among what is pending
  const answers = pending.filter(({ source }) => source.kind === "assistant");
  const since = pending.filter(({ source }) => source.kind !== "assistant");
  const perToken = tokens / (rough + roughTokens(answers));
  return { total: Math.ceil(tokens + roughTokens(since) * Math.max(1, perToken)), perToken };
}

/** What people said while the run went on, the newest first, as far as it fits: an instruction is not left to a summary. */
function pinnedOf(old: readonly ContextEntry[], roughMax: number): readonly number[] {
  const first = old[0]?.seq;
  const pinned: number[] = [];
  let rough = 0;
  for (const entry of old.toReversed()) {
    const isSaid = entry.source.kind === "message" && entry.source.ref.label?.origin === "prompt";
    // the input and what came with it share a seq; they are the summary's goal
    if (!isSaid || entry.seq === first) continue;
    rough += roughTokens([entry]);
    if (rough > roughMax) break;
    pinned.unshift(entry.seq);
  }
  return pinned;
}

/** Index of the first entry that is kept: as many as fit `roughMax`, from a place where the conversation may be cut. */
function cutOf(entries: readonly ContextEntry[], roughMax: number): number {
  let kept = 0;
  let cutAt = entries.length;
  for (let i = entries.length - 1; i > 0; i--) {
    const entry = entries[i];
    if (entry === undefined) break;
    kept += roughTokens([entry]);
    if (kept > roughMax) break;
    if (isCut(entries.slice(0, i), entries.slice(i))) cutAt = i;
  }
  return cutAt;
}

/**
 * True where no result is parted from its call, and where all that goes was recorded before all that stays: a compaction
 * names what goes by its first and last seq, and an earlier summary is younger than what it left.
 */
function isCut(old: readonly ContextEntry[], kept: readonly ContextEntry[]): boolean {
  return kept[0]?.source.kind !== "tool" && rangeOf(old).toSeq < rangeOf(kept).fromSeq;
}

function rangeOf(entries: readonly ContextEntry[]): { readonly fromSeq: number; readonly toSeq: number } {
  const seqs = entries.map(({ seq }) => seq);
  return { fromSeq: Math.min(...seqs), toSeq: Math.max(...seqs) };
}

const sizes = new WeakMap<ContextEntry, number>();

/** By length: an estimate that is the same wherever it is made again. */
function roughTokens(entries: readonly ContextEntry[]): number {
  let sum = 0;
  for (const entry of entries) {
    let size = sizes.get(entry);
    if (size === undefined) {
      const { ref } = entry.source;
      size = Math.ceil(("inline" in ref ? JSON.stringify(ref.inline).length : ref.bytes) / CHARS_PER_TOKEN);
      sizes.set(entry, size);
    }
    sum += size;
  }
  return sum;
}

const systemSizes = new WeakMap<AgentDefinition, number>();

function systemTokens(definition: AgentDefinition): number {
  const known = systemSizes.get(definition);
  if (known !== undefined) return known;
  const chars = definition.instructions.length + JSON.stringify(definition.tools).length;
  const size = Math.ceil(chars / CHARS_PER_TOKEN);
  systemSizes.set(definition, size);
  return size;
}
