import { PawlError } from "../core/errors.ts";
import type { ArgumentOrigin } from "../core/guard-rules.ts";
import { hashJson } from "../core/hash.ts";
import type { RunRef } from "../core/id.ts";
import type { ApprovalVoted } from "../core/approval-event.ts";
import type { JournalEvent } from "../core/journal-event.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { RunHead } from "../core/run-head.ts";
import type { HeadWait } from "../core/run-waits.ts";
import type { Page } from "../core/store-contract.ts";
import { ApprovalClaims, claimTtl, type ApprovalClaim } from "./approval-claims.ts";
import type { Approval, DecideOptions, Decision } from "./approval.ts";
import { anyApproval, openApproval, saidOn } from "./approval-journal.ts";
import {
  alreadyDecided,
  checkVoter,
  missingAfter,
  unknownApproval,
  splitApprovalId,
  type Rules,
  type Voter,
} from "./approval-rules.ts";
import { checkContent, plain } from "./decision-check.ts";
import type { EngineDeps } from "./deps.ts";
import { unknownRun } from "./outbox.ts";
import { outsideAppend } from "./outside.ts";
import { identityOf, reviewEntry, type ReviewEntry } from "./review-queue.ts";
import { Values } from "./values.ts";

export interface CommentOptions {
  readonly by: string;
  readonly text: string;
  readonly from?: string;
  readonly messageId?: string | null;
}

export interface ClaimOptions {
  readonly by: string;
  readonly roles?: readonly string[];
  /** 1 s to one hour; default five minutes. */
  readonly ttlMs?: number;
  /** Takes another's claim over. */
  readonly takeOver?: boolean;
}

/** People's side of the runs of one tenant: what is open, and what they decide. */
export class People {
  readonly #deps: EngineDeps;
  readonly #tenant: string;
  readonly #claims: ApprovalClaims;

  constructor(deps: EngineDeps, tenant: string) {
    this.#deps = deps;
    this.#tenant = tenant;
    this.#claims = new ApprovalClaims(deps, tenant);
  }

  /**
   * The review queue: open approvals and unknown effects, oldest run first. Reads a bounded part of each run, no journal.
   * @param limit at most limits.reviewPage; a page may hold less, only a null cursor means the end
   */
  async list(cursor: string | null = null, limit = 50): Promise<Page<ReviewEntry>> {
    const count = Math.min(limit, limits.reviewPage);
    const page = await this.#deps.store.openApprovals(this.#tenant, cursor, count);
    const entries = await Promise.all(
      page.items.map((ask) => reviewEntry(this.#deps, this.#tenant, ask, this.#claims)),
    );
    return { items: entries.filter((entry) => entry !== null), cursor: page.cursor };
  }

  /** An open approval is read from one batch; for a decided one its run's whole journal is. @throws APPROVAL_UNKNOWN */
  async get(approvalId: string): Promise<Approval> {
    const { runId, callId } = splitApprovalId(approvalId);
    const ref = { tenant: this.#tenant, runId };
    const { store } = this.#deps;
    const head = await store.readHead(ref);
    if (head === null) throw unknownApproval(approvalId);
    const wait = waitOf(head, approvalId);
    const open = wait === undefined ? null : await openApproval(store, ref, wait, true);
    const found = open ?? (await anyApproval(store, ref, approvalId));
    if (found === null) throw unknownApproval(approvalId);
    const { asked, called, argsHash, votes, comments, decision, at, seq } = found;
    const values = new Values({ store, redaction: null }, ref, head.blobScope);
    return {
      approvalId,
      runId,
      callId,
      seq,
      question: asked.question,
      actionHash: asked.actionHash,
      argsHash,
      tool: called?.tool ?? null,
      version: called?.version ?? null,
      effect: called?.effect ?? null,
      input: called === null ? null : await values.read(called.argsRef),
      reasons: called?.verdict.reason === undefined ? (called?.verdict.rules ?? []) : [called.verdict.reason],
      gate: called?.verdict.gate ?? null,
      origins: (called?.provenance?.["origins"] ?? []) as unknown as readonly ArgumentOrigin[],
      schema: asked.schema ?? null,
      whoMay: asked.whoMay ?? null,
      quorum: asked.quorum,
      votes,
      comments,
      expiresAt: asked.expiresAt,
      default: asked.default,
      escalation: asked.escalation ?? null,
      askedAt: at,
      decision,
      ...identityOf(head),
      claim: await this.#claims.of(approvalId),
    };
  }

  /**
   * Tells the others that somebody looks at an open approval: until it lapses only `by` decides, or who takes it over. A
   * courtesy, not a lock of the journal: a decision that was already on its way counts.
   * @throws APPROVAL_CLAIMED · APPROVAL_DECIDED · APPROVAL_UNKNOWN · APPROVAL_FORBIDDEN
   */
  async claim(approvalId: string, options: ClaimOptions): Promise<ApprovalClaim> {
    const ttlMs = claimTtl(options.ttlMs);
    const approval = await this.get(approvalId);
    const head = await this.#deps.store.readHead({ tenant: this.#tenant, runId: approval.runId });
    if (head === null || waitOf(head, approvalId) === undefined) throw alreadyDecided(approval);
    checkVoter(rulesOf(approval), approval.principal, voterOf(options, this.#deps.clock.nowMs()), "reject");
    return this.#claims.take(approvalId, options.by, ttlMs, options.takeOver === true);
  }

  /** Gives one's claim back; one that has lapsed is no error. @throws APPROVAL_CLAIMED  it is another's */
  release(approvalId: string, { by }: { readonly by: string }): Promise<void> {
    splitApprovalId(approvalId);
    return this.#claims.release(approvalId, by);
  }

  approve(approvalId: string, options: DecideOptions): Promise<Decision> {
    return this.#decide(approvalId, "approve", options);
  }

  reject(approvalId: string, options: DecideOptions): Promise<Decision> {
    return this.#decide(approvalId, "reject", options);
  }

  /** Answers a question with data. */
  answer(approvalId: string, options: DecideOptions & { readonly answer: JsonValue }): Promise<Decision> {
    return this.#decide(approvalId, "answer", options);
  }

  /**
   * @throws APPROVAL_DECIDED naming the recorded decision · APPROVAL_EXPIRED · APPROVAL_CHANGED · APPROVAL_CLAIMED
   * @throws APPROVAL_FORBIDDEN  whoMay does not name this person, or the run is their own
   * @throws APPROVAL_VOTED      several must approve, and this person has said something already
   * @throws ANSWER_INVALID      edited arguments break the tool's schema, an answer that of its question
   */
  async #decide(approvalId: string, vote: Decision["decision"], given: DecideOptions): Promise<Decision> {
    const options = {
      ...given,
      ...(given.edit !== undefined && { edit: plain("the edited arguments", given.edit) }),
      ...(given.answer !== undefined && { answer: plain("the answer", given.answer) }),
    };
    const approval = await this.get(approvalId);
    const ref = { tenant: this.#tenant, runId: approval.runId };
    const writer = { principal: options.by, messageId: options.messageId ?? null };
    let missing = 0;
    const result = await outsideAppend(this.#deps, ref, writer, async (head) => {
      const wait = await this.#check(head, approval, vote, options);
      const decided = await this.#voteEvents(ref, head, { approval, wait, vote, options });
      missing = decided.missing;
      return decided.events;
    }).catch(async (error: unknown) => {
      if (PawlError.is(error, "APPROVAL_FORBIDDEN")) await this.#noteRefused(ref, approval, vote, options);
      throw error;
    });
    if (result.type === "ended" || result.type === "missing") throw alreadyDecided(await this.get(approvalId));
    if (result.type === "repeated") missing = missingNow(await this.get(approvalId), options.by);
    if (approval.claim !== null) await this.#claims.clear(approvalId);
    return { approvalId, decision: vote, by: options.by, missing };
  }

  /** Who tried what they may not is in the journal too, as long as it does not fill it. */
  async #noteRefused(
    ref: RunRef,
    approval: Approval,
    vote: Decision["decision"],
    options: DecideOptions,
  ): Promise<void> {
    const { approvalId, seq, argsHash } = approval;
    const { by, from = "api" } = options;
    const { refusals } = await saidOn(this.#deps.store, ref, { key: approvalId, seq, argsHash });
    if (refusals >= limits.approvalRefusals) return;
    const refused = { type: "approval.refused", approvalId, vote, by, from } as const;
    await outsideAppend(this.#deps, ref, { principal: by, messageId: null }, () => [refused]);
  }

  async #check(
    head: RunHead,
    approval: Approval,
    vote: Decision["decision"],
    options: DecideOptions,
  ): Promise<HeadWait> {
    const { approvalId } = approval;
    const wait = waitOf(head, approvalId);
    if (wait === undefined) throw alreadyDecided(await this.get(approvalId));
    if (options.shownHash !== undefined && options.shownHash !== wait.actionHash) {
      throw new PawlError(
        "APPROVAL_CHANGED",
        `approval "${approvalId}" is about another action than the one shown. Look at it again.`,
      );
    }
    if (wait.expiresAt !== undefined && wait.expiresAt <= this.#deps.clock.nowMs()) {
      throw new PawlError(
        "APPROVAL_EXPIRED",
        `approval "${approvalId}" expired at ${new Date(wait.expiresAt).toISOString()}; its default decision stands.`,
      );
    }
    checkVoter(rulesOf(approval), head.principal, voterOf(options, this.#deps.clock.nowMs()), vote);
    await this.#claims.check(approvalId, options.by, options.takeOver === true);
    await checkContent(this.#deps, this.#tenant, approval, { ...options, vote });
    return wait;
  }

  async #voteEvents(
    ref: RunRef,
    head: RunHead,
    said: {
      readonly approval: Approval;
      readonly wait: HeadWait;
      readonly vote: Decision["decision"];
      readonly options: DecideOptions;
    },
  ): Promise<{ readonly events: readonly JournalEvent[]; readonly missing: number }> {
    const { approval, wait, vote, options } = said;
    const { approvalId, actionHash, quorum } = approval;
    const values = new Values(this.#deps, ref, head.blobScope);
    const person = { source: "trusted", origin: "person" } as const;
    const edit = options.edit === undefined ? undefined : values.clean(options.edit);
    const answer = options.answer === undefined ? undefined : values.clean(options.answer);
    const argsHash = hashOf(approval, vote, { edit, answer });
    const voted: ApprovalVoted = {
      type: "approval.voted",
      approvalId,
      vote,
      ...(edit !== undefined && { editedArgsRef: await values.put(edit, person) }),
      ...(answer !== undefined && { answerRef: await values.put(answer, person) }),
      argsHash,
      ...(options.reason !== undefined && { reason: options.reason }),
      shownHash: options.shownHash ?? actionHash,
      from: options.from ?? "api",
    };
    const asked = { key: approvalId, seq: wait.seq, argsHash: approval.argsHash };
    const { votes } = quorum === 1 ? { votes: [] } : await saidOn(this.#deps.store, ref, asked, head.seq);
    const missing = missingAfter(rulesOf(approval), votes, { by: options.by, vote, argsHash });
    if (missing > 0) return { events: [voted], missing };
    const reason = options.reason === undefined ? {} : { reason: options.reason };
    const decided = {
      type: "approval.decided",
      approvalId,
      decision: vote,
      argsHash,
      by: options.by,
      ...reason,
    } as const;
    return { events: [voted, decided], missing };
  }

  /** Says something about an approval until its run ends. It binds nothing, and wakes nobody. @throws COMMENTS_TOO_MANY */
  async comment(approvalId: string, { by, text, from = "api", messageId = null }: CommentOptions): Promise<void> {
    if (text.trim() === "" || text.length > limits.approvalCommentChars)
      throw new PawlError("OPTION_INVALID", `a comment has 1 to ${limits.approvalCommentChars} characters.`);
    const { runId } = splitApprovalId(approvalId);
    const ref = { tenant: this.#tenant, runId };
    const result = await outsideAppend(this.#deps, ref, { principal: by, messageId }, async () => {
      const { comments } = await this.get(approvalId);
      if (comments.length >= limits.approvalComments)
        throw new PawlError(
          "COMMENTS_TOO_MANY",
          `approval "${approvalId}" has ${comments.length} comments, and keeps no more. Decide it, or talk elsewhere.`,
        );
      return [{ type: "approval.commented", approvalId, text, from }];
    });
    if (result.type === "missing") throw unknownApproval(approvalId);
    if (result.type === "ended") throw alreadyDecided(await this.get(approvalId));
  }

  /**
   * Says what became of an effect whose outcome is unknown.
   * @param resolution `applied`: it happened, `result` is what it gave; `not_applied`: it did not, it is tried again with
   *   the same key
   * @throws EFFECT_NOT_UNKNOWN
   */
  async resolveEffect(
    runId: string,
    callId: string,
    resolution: {
      readonly resolution: "applied" | "not_applied";
      readonly result?: JsonValue;
      /** Which unknown it is about: `seq` of the open ask. A late answer about an earlier attempt is then refused. */
      readonly seq?: number;
      readonly by: string;
      readonly messageId?: string;
    },
  ): Promise<void> {
    const ref = { tenant: this.#tenant, runId };
    const writer = { principal: resolution.by, messageId: resolution.messageId ?? null };
    const result = await outsideAppend(this.#deps, ref, writer, async (head) => {
      const open = head.waits.find((wait) => wait.kind === "unknown" && wait.key === callId);
      if (open === undefined || open.seq !== (resolution.seq ?? open.seq)) throw notUnknown(runId, callId);
      const values = new Values(this.#deps, ref, head.blobScope);
      const given =
        resolution.result === undefined
          ? {}
          : {
              resultRef: await values.put(plain("the result", resolution.result), {
                source: "trusted",
                origin: "person",
              }),
            };
      return [{ type: "effect.resolved", callId, resolution: resolution.resolution, ...given, by: resolution.by }];
    });
    if (result.type === "missing") throw unknownRun(ref);
    if (result.type === "ended") throw notUnknown(runId, callId);
  }
}

function waitOf(head: RunHead, approvalId: string): HeadWait | undefined {
  return head.waits.find((wait) => wait.key === approvalId && wait.kind === "approval");
}

function rulesOf({ approvalId, quorum, whoMay, escalation }: Approval): Rules {
  return { approvalId, quorum, ...(whoMay && { whoMay }), ...(escalation && { escalation }) };
}

function voterOf({ by, roles = [] }: Pick<DecideOptions, "by" | "roles">, at: number): Voter {
  return { by, roles, at };
}

type Said = Readonly<Record<"edit" | "answer", JsonValue | undefined>>;

/** Hash of what a vote lets run, or answers. */
function hashOf({ argsHash }: Approval, vote: Decision["decision"], { edit, answer }: Said): string {
  if (vote === "answer") return hashJson(answer ?? null);
  return vote === "approve" && edit !== undefined ? hashJson(edit) : argsHash;
}

/** What a vote that was taken before still lacks. */
function missingNow({ approvalId, quorum, votes, decision }: Approval, by: string): number {
  const own = votes.find((vote) => vote.by === by);
  if (decision !== null || own === undefined) return 0;
  const others = votes.filter((vote) => vote !== own);
  return missingAfter({ approvalId, quorum }, others, own);
}

function notUnknown(runId: string, callId: string): PawlError {
  return new PawlError(
    "EFFECT_NOT_UNKNOWN",
    `call "${callId}" of run "${runId}" has no unknown outcome now. See "pawl effects ${runId}".`,
  );
}
