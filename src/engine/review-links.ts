import { createHash, createHmac } from "node:crypto";
import { PawlError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { alreadyDecided, alreadyVoted, checkVoter } from "./approval-rules.ts";
import type { EngineDeps, Reviewer, ReviewLinkOptions, WebhookMessage } from "./deps.ts";
import type { Approval, DecideOptions, Decision } from "./approval.ts";
import { People } from "./people.ts";

/** Where links are kept, by the hash of their token. No id of a user begins with "~". */
const LINKS = "~review-links";

/** What a link lets its holder say, once: one person, one approval, one exact action. */
export interface ReviewLink {
  readonly tenant: string;
  readonly approvalId: string;
  readonly actionHash: string;
  readonly by: string;
  /** ms since 1970 */
  readonly expiresAt: number;
}

/** Whom to tell of which approval. */
export type ReviewNote = Pick<ReviewLink, "tenant" | "approvalId" | "by">;

/** What somebody says through a link. */
export type LinkVote = Pick<DecideOptions, "reason"> & {
  readonly vote: Decision["decision"];
  readonly answer?: JsonValue;
};

/** @throws OPTION_INVALID */
export function checkReviewLinks(options: ReviewLinkOptions): ReviewLinkOptions {
  const { secret, url, publicUrl, reviewers } = options;
  const refuse = (text: string): never => {
    throw new PawlError("OPTION_INVALID", `webhooks.reviews: ${text}`);
  };
  if (secret.length < 16) refuse("the secret that signs links has at least 16 characters.");
  const own = reviewers.map((one): readonly [string, string] => [`the url of "${one.by}"`, one.url ?? url]);
  for (const [name, given] of [["url", url], ["publicUrl", publicUrl], ...own] as const)
    if (!/^https?:$/.test(URL.parse(given)?.protocol ?? "")) refuse(`${name} is an http(s) address, not "${given}".`);
  const names = new Set(reviewers.map(({ by }) => by));
  if (names.size === 0 || names.size !== reviewers.length || names.has("") || names.size > limits.approverNames)
    refuse(`reviewers are 1 to ${limits.approverNames} different people: [{ by: "ada@example.com" }].`);
  return options;
}

/** Links by which named people decide without a credential. They say nothing on their own: the journal decides once. */
export class ReviewLinks {
  readonly #deps: EngineDeps;

  constructor(deps: EngineDeps) {
    this.#deps = deps;
  }

  /**
   * What tells one reviewer of an approval, with a link to it.
   * @returns null = there is nothing to tell: it is decided, or is not theirs; a time: it may be theirs from then on
   * @throws APPROVAL_UNKNOWN  its run is about to ask, or never will
   */
  async message({ tenant, approvalId, by }: ReviewNote, id: string): Promise<WebhookMessage | number | null> {
    const reviewer = this.#reviewer(by);
    if (reviewer === null) return null;
    const approval = await new People(this.#deps, tenant).get(approvalId);
    const { quorum, whoMay, escalation, expiresAt } = approval;
    const at = this.#deps.clock.nowMs();
    const isOpen = approval.decision === null && (expiresAt === null || expiresAt > at);
    if (!isOpen) return null;
    const rules = { approvalId, quorum, ...(whoMay && { whoMay }), ...(escalation && { escalation }) };
    try {
      checkVoter(rules, approval.principal, { by, roles: reviewer.roles ?? [], at }, "approve");
    } catch (error) {
      if (!PawlError.is(error, "APPROVAL_FORBIDDEN")) throw error;
      return escalation !== null && escalation.at > at ? escalation.at : null;
    }
    const { runId, agent, title, question, tool, version, actionHash, askedAt } = approval;
    const about = { id, type: "approval.asked", tenant, approvalId, runId, agent, title, question, tool, version };
    const input = JSON.stringify(approval.input).length <= limits.reviewInputBytes ? approval.input : null;
    const link = await this.#make(tenant, approval, by);
    const body = JSON.stringify({ ...about, input, actionHash, askedAt, expiresAt, reviewer: by, link });
    return { id, url: reviewer.url ?? this.#options().url, body };
  }

  /** The link of one person: the same each time it is asked for. Only the hash of its token is stored. */
  async #make(tenant: string, approval: Approval, by: string): Promise<string> {
    const { publicUrl } = this.#options();
    const { approvalId, actionHash } = approval;
    const expiresAt = approval.expiresAt ?? approval.askedAt + limits.approvalMs;
    const link: ReviewLink = { tenant, approvalId, actionHash, by, expiresAt };
    const token = this.#tokenOf(link);
    // longer than it is good for: who comes late is told what was decided
    const keptMs = Math.max(0, expiresAt - this.#deps.clock.nowMs()) + limits.approvalMs;
    await this.#deps.store.putRecord(LINKS, hashOf(token), { ...link }, {}, keptMs);
    return `${publicUrl.replace(/\/$/, "")}/review/${token}`;
  }

  /**
   * What a link is about, while its person may still say something. Changes nothing.
   * @throws REVIEW_LINK_INVALID  unknown, not signed by us, expired, or its person is no reviewer any more
   * @throws APPROVAL_DECIDED, APPROVAL_VOTED naming what was recorded
   */
  async read(token: string): Promise<{ readonly link: ReviewLink; readonly approval: Approval }> {
    const record = await this.#deps.store.getRecord(LINKS, hashOf(token));
    const link = record?.value as unknown as ReviewLink | undefined;
    if (link === undefined || this.#tokenOf(link) !== token || this.#reviewer(link.by) === null) throw invalid();
    const { tenant, approvalId, by } = link;
    const approval = await new People(this.#deps, tenant).get(approvalId);
    const head = await this.#deps.store.readHead({ tenant, runId: approval.runId });
    if (head?.waits.some(({ kind, key }) => kind === "approval" && key === approvalId) !== true)
      throw alreadyDecided(approval);
    if (approval.votes.some((vote) => vote.by === by)) throw alreadyVoted(approval, approval.votes, by);
    if (link.expiresAt <= this.#deps.clock.nowMs()) throw invalid();
    return { link, approval };
  }

  /**
   * Says what the holder decides; what was recorded before stands.
   * @throws what `read` and `People` throw
   */
  async decide(token: string, { vote, reason, answer }: LinkVote): Promise<Decision> {
    const { link } = await this.read(token);
    const { tenant, approvalId, actionHash: shownHash, by } = link;
    const { roles = [] } = this.#reviewer(by) ?? {};
    const said = { by, roles, shownHash, from: "link", ...(reason !== undefined && { reason }) };
    const people = new People(this.#deps, tenant);
    if (vote === "reject") return people.reject(approvalId, said);
    return vote === "approve"
      ? people.approve(approvalId, said)
      : people.answer(approvalId, { ...said, answer: answer ?? null });
  }

  #reviewer(by: string): Reviewer | null {
    return this.#deps.reviewLinks?.reviewers.find((one) => one.by === by) ?? null;
  }

  #options(): ReviewLinkOptions {
    if (this.#deps.reviewLinks !== undefined) return this.#deps.reviewLinks;
    throw new PawlError(
      "INTERNAL",
      "a link to a review was asked for, and pawl({ webhooks: { reviews } }) says nothing.",
    );
  }

  /** Signed and not stored: who reads the store can neither find nor make one. */
  #tokenOf({ tenant, approvalId, actionHash, by, expiresAt }: ReviewLink): string {
    const { secret } = this.#options();
    const about = JSON.stringify(["review-link", tenant, approvalId, actionHash, by, expiresAt]);
    return createHmac("sha256", secret).update(about).digest("base64url");
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function invalid(): PawlError {
  const text = "this link is not valid here, or no longer. Decide in the console, or ask who sent it for another.";
  return new PawlError("REVIEW_LINK_INVALID", text);
}
