import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import type { RunRef } from "../core/id.ts";
import type { ApprovalAsked, ApprovalDecided, ApprovalVoted, JournalEvent, ToolCalled } from "../core/journal-event.ts";
import { toJson, type JsonValue } from "../core/json.ts";
import type { RunHead } from "../core/run-head.ts";
import type { OpenAsk, Page } from "../core/store-contract.ts";
import type { EngineDeps } from "./deps.ts";
import { batchesAfter } from "./load-run.ts";
import { unknownRun } from "./outbox.ts";
import { outsideAppend } from "./outside.ts";
import { Values } from "./values.ts";

/** An open question, with the exact call it is bound to. */
export interface Approval {
  readonly approvalId: string;
  readonly runId: string;
  readonly callId: string;
  readonly question: string;
  /** What is approved: a hash of tool, version and arguments, or of the question. */
  readonly actionHash: string;
  readonly tool: string | null;
  readonly version: string | null;
  readonly input: JsonValue;
  readonly reasons: readonly string[];
  readonly expiresAt: number | null;
  readonly askedAt: number;
  readonly decision: ApprovalDecided | null;
}

export interface DecideOptions {
  readonly by: string;
  readonly reason?: string;
  /** Arguments to run instead, checked against the tool's schema. */
  readonly edit?: JsonValue;
  readonly answer?: JsonValue;
  /** The actionHash that the person saw; refused when it is not the open one. */
  readonly shownHash?: string;
  readonly from?: string;
  readonly messageId?: string;
}

export interface Decision {
  readonly approvalId: string;
  readonly decision: "approve" | "reject" | "answer";
  readonly by: string;
}

/** The run and call that an approval id names: `<runId>:<callId>`. */
export function splitApprovalId(approvalId: string): { readonly runId: string; readonly callId: string } {
  const cut = approvalId.lastIndexOf(":");
  if (cut < 1)
    throw new PawlError(
      "APPROVAL_UNKNOWN",
      `"${approvalId.slice(0, 80)}" is no approval id. It looks like "RUN_ID:t3-1"; list them with "pawl approvals".`,
    );
  return { runId: approvalId.slice(0, cut), callId: approvalId.slice(cut + 1) };
}

/** People's side of the runs of one tenant: what is open, and what they decide. */
export class People {
  readonly #deps: EngineDeps;
  readonly #tenant: string;

  constructor(deps: EngineDeps, tenant: string) {
    this.#deps = deps;
    this.#tenant = tenant;
  }

  list(cursor: string | null = null, limit = 50): Promise<Page<OpenAsk>> {
    return this.#deps.store.openApprovals(this.#tenant, cursor, limit);
  }

  /** @throws APPROVAL_UNKNOWN */
  async get(approvalId: string): Promise<Approval> {
    const { runId, callId } = splitApprovalId(approvalId);
    const ref = { tenant: this.#tenant, runId };
    const head = await this.#deps.store.readHead(ref);
    let asked: { readonly event: ApprovalAsked; readonly at: number } | null = null;
    let called: ToolCalled | null = null;
    let decision: ApprovalDecided | null = null;
    if (head !== null) {
      for await (const batch of batchesAfter(this.#deps.store, ref, 0)) {
        for (const event of batch.events) {
          if (event.type === "tool.called" && event.callId === callId) called = event;
          if (event.type === "approval.asked" && event.approvalId === approvalId) asked = { event, at: batch.at };
          if (event.type === "approval.decided" && event.approvalId === approvalId) decision = event;
        }
      }
    }
    if (head === null || asked === null) throw unknownApproval(approvalId);
    const values = new Values(this.#deps.store, ref, head.blobScope);
    const { event, at } = asked;
    return {
      approvalId,
      runId,
      callId,
      question: event.question,
      actionHash: event.actionHash,
      tool: called?.tool ?? null,
      version: called?.version ?? null,
      input: called === null ? null : await values.read(called.argsRef),
      reasons: called?.verdict.reason === undefined ? (called?.verdict.rules ?? []) : [called.verdict.reason],
      expiresAt: event.expiresAt,
      askedAt: at,
      decision,
    };
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
   * @throws APPROVAL_DECIDED naming the recorded decision · APPROVAL_EXPIRED · APPROVAL_CHANGED · APPROVAL_FORBIDDEN
   * @throws ANSWER_INVALID  edited arguments break the tool's schema
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
    const result = await outsideAppend(this.#deps, ref, writer, async (head) => {
      await this.#check(head, approval, options);
      return this.#voteEvents(ref, head, approval, vote, options);
    });
    if (result.type === "ended" || result.type === "missing") throw await this.#recorded(approvalId);
    return { approvalId, decision: vote, by: options.by };
  }

  async #check(head: RunHead, approval: Approval, options: DecideOptions): Promise<void> {
    const wait = head.waits.find((open) => open.key === approval.approvalId && open.kind === "approval");
    if (wait === undefined) throw await this.#recorded(approval.approvalId);
    if (options.shownHash !== undefined && options.shownHash !== wait.actionHash) {
      throw new PawlError(
        "APPROVAL_CHANGED",
        `approval "${approval.approvalId}" is about another action than the one shown. Look at it again.`,
      );
    }
    if (wait.expiresAt !== undefined && wait.expiresAt <= this.#deps.clock.nowMs()) {
      throw new PawlError(
        "APPROVAL_EXPIRED",
        `approval "${approval.approvalId}" expired at ${new Date(wait.expiresAt).toISOString()}; its default decision stands.`,
      );
    }
    if (options.edit !== undefined && approval.tool !== null) this.#checkEdit(approval, options.edit);
  }

  #checkEdit(approval: Approval, edit: JsonValue): void {
    const tool = this.#deps.registry.tool(approval.tool ?? "", approval.version ?? "");
    const parsed = tool?.parseInput(edit);
    if (parsed === undefined || parsed.ok) return;
    const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
    throw new PawlError(
      "ANSWER_INVALID",
      `the edited arguments do not fit ${approval.tool}: ${issues}. Correct them and approve again.`,
    );
  }

  async #voteEvents(
    ref: RunRef,
    head: RunHead,
    approval: Approval,
    vote: Decision["decision"],
    options: DecideOptions,
  ): Promise<readonly JournalEvent[]> {
    const values = new Values(this.#deps.store, ref, head.blobScope);
    const { approvalId, actionHash } = approval;
    const voted: ApprovalVoted = {
      type: "approval.voted",
      approvalId,
      vote,
      ...(options.edit !== undefined && {
        editedArgsRef: await values.put(options.edit, { source: "trusted", origin: "person" }),
      }),
      ...(options.answer !== undefined && {
        answerRef: await values.put(options.answer, { source: "trusted", origin: "person" }),
      }),
      ...(options.reason !== undefined && { reason: options.reason }),
      shownHash: options.shownHash ?? actionHash,
      from: options.from ?? "api",
    };
    const argsHash = options.edit === undefined ? actionHash : hashJson(options.edit);
    const reason = options.reason === undefined ? {} : { reason: options.reason };
    return [voted, { type: "approval.decided", approvalId, decision: vote, argsHash, by: options.by, ...reason }];
  }

  /** Why an approval is not open: it was decided, or never was. */
  async #recorded(approvalId: string): Promise<PawlError> {
    const { decision } = await this.get(approvalId);
    if (decision === null)
      return new PawlError(
        "APPROVAL_DECIDED",
        `approval "${approvalId}" is closed: its run ended or went on without it.`,
      );
    const why = decision.reason === undefined ? "" : ` (${decision.reason})`;
    return new PawlError(
      "APPROVAL_DECIDED",
      `approval "${approvalId}" was decided already: ${decision.decision} by ${decision.by}${why}. That decision stands.`,
      {
        details: { decision: decision.decision, by: decision.by },
      },
    );
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
      const values = new Values(this.#deps.store, ref, head.blobScope);
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

function plain(what: string, value: unknown): JsonValue {
  const json = toJson(value);
  if (json.ok) return json.value;
  throw new PawlError("ANSWER_INVALID", `${what} cannot be recorded: ${json.found} at ${json.path}. Give plain data.`);
}

function notUnknown(runId: string, callId: string): PawlError {
  return new PawlError(
    "EFFECT_NOT_UNKNOWN",
    `call "${callId}" of run "${runId}" has no unknown outcome now. See "pawl effects ${runId}".`,
  );
}

function unknownApproval(approvalId: string): PawlError {
  return new PawlError("APPROVAL_UNKNOWN", `no approval "${approvalId}". List the open ones with "pawl approvals".`);
}
