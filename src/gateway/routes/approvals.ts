import { z } from "zod";
import { PawlError } from "../../core/errors.ts";
import { spanIdOf } from "../../core/trace-ids.ts";
import type { Cause } from "../../core/trace-contract.ts";
import type { Approval, Decision } from "../../engine/approval.ts";
import type { ReviewEntry } from "../../engine/review-queue.ts";
import {
  approvalDetail,
  claimRequest,
  commentRequest,
  decideRequest,
  decideResponse,
  reviewClaim,
  reviewItem,
  type ApprovalDetail,
  type DecideRequest,
  type ReviewItem,
} from "../api/approvals.ts";
import { pageQuery } from "../api/list-queries.ts";
import { approvalId, pageOf } from "../api/values.ts";
import type { Caller } from "../caller.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { prefix, writerOf, type Writer } from "../route-parts.ts";

const params: z.ZodType<{ readonly approvalId: string }> = z.object({ approvalId });

/** The review queue, and what people say about what is in it. */
export function approvalRoutes(app: GatewayApp, gateway: Gateway): void {
  app.get(
    `${prefix}/approvals`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listApprovals",
        tags: ["approvals"],
        summary: "The review queue: open approvals, and effects whose outcome nobody knows",
        querystring: pageQuery,
        response: { 200: pageOf(reviewItem) },
      },
    },
    async ({ caller, query }) => {
      const page = await gateway.app.people(caller.tenant).list(query.cursor ?? null, query.limit ?? 50);
      return { items: page.items.map(itemOf), cursor: page.cursor };
    },
  );
  app.get(
    `${prefix}/approvals/:approvalId`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getApproval",
        tags: ["approvals"],
        summary: "An approval: the exact call, where its values came from, and what was decided",
        params,
        response: { 200: approvalDetail },
      },
    },
    async ({ caller, params: { approvalId: id } }) =>
      detailOf(gateway, caller.tenant, await gateway.app.people(caller.tenant).get(id)),
  );
  app.post(
    `${prefix}/approvals/:approvalId/decision`,
    {
      config: { role: "review" },
      schema: {
        operationId: "decideApproval",
        tags: ["approvals"],
        summary: "Approve, approve with edited arguments, reject, or answer",
        params,
        body: decideRequest,
        response: { 200: decideResponse },
      },
    },
    (request) => {
      const { caller, body } = request;
      const id = request.params.approvalId;
      return decide(gateway, { id, caller, body, writer: writerOf(request, `decide ${id}`, body) });
    },
  );
  claimRoutes(app, gateway);
  commentRoute(app, gateway);
}

function claimRoutes(app: GatewayApp, gateway: Gateway): void {
  app.post(
    `${prefix}/approvals/:approvalId/claim`,
    {
      config: { role: "review" },
      schema: {
        operationId: "claimApproval",
        tags: ["approvals"],
        summary: "Tell the others that you look at it; it lapses by itself",
        params,
        body: claimRequest,
        response: { 200: reviewClaim },
      },
    },
    ({ caller, params: { approvalId: id }, body: { seconds, takeOver } }) =>
      gateway.app.people(caller.tenant).claim(id, {
        by: caller.principal,
        roles: caller.roles,
        ...(seconds !== undefined && { ttlMs: seconds * 1000 }),
        ...(takeOver !== undefined && { takeOver }),
      }),
  );
  app.post(
    `${prefix}/approvals/:approvalId/release`,
    {
      config: { role: "review" },
      schema: {
        operationId: "releaseApproval",
        tags: ["approvals"],
        summary: "Give your claim back",
        params,
        response: { 204: z.undefined() },
      },
    },
    async ({ caller, params: { approvalId: id } }, reply) => {
      const people = gateway.app.people(caller.tenant);
      // an approval that is not there has no claim to give back
      await people.get(id);
      await people.release(id, { by: caller.principal });
      return reply.code(204).send();
    },
  );
}

function commentRoute(app: GatewayApp, gateway: Gateway): void {
  app.post(
    `${prefix}/approvals/:approvalId/comments`,
    {
      config: { role: "review" },
      schema: {
        operationId: "commentApproval",
        tags: ["approvals"],
        summary: "Say something beside a decision; it binds nothing",
        params,
        body: commentRequest,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { caller, body } = request;
      const id = request.params.approvalId;
      const { by, messageId } = writerOf(request, `comment ${id}`, body);
      const said = { by, from: "http", ...body, ...(messageId !== undefined && { messageId }) };
      await gateway.app.people(caller.tenant).comment(id, said);
      return reply.code(204).send();
    },
  );
}

interface Said {
  readonly id: string;
  readonly caller: Caller;
  readonly body: DecideRequest;
  readonly writer: Writer;
}

function decide({ app }: Gateway, { id, caller, body, writer }: Said): Promise<Decision> {
  const { decision, answer, edit, ...rest } = body;
  if (edit !== undefined && decision !== "approve") throw misfit("edit", "approve");
  if ((answer !== undefined) !== (decision === "answer")) throw misfit("answer", "answer");
  const { by, messageId } = writer;
  const options = { ...rest, by, roles: caller.roles, from: "http", ...(messageId !== undefined && { messageId }) };
  const people = app.people(caller.tenant);
  if (decision === "reject") return people.reject(id, options);
  if (answer !== undefined) return people.answer(id, { ...options, answer });
  return people.approve(id, { ...options, ...(edit !== undefined && { edit }) });
}

function misfit(member: string, decision: string): PawlError {
  return new PawlError("OPTION_INVALID", `"${member}" belongs to the decision "${decision}", and to no other.`);
}

function itemOf(entry: ReviewEntry): ReviewItem {
  const { key: _key, version, ...rest } = entry;
  return { ...rest, toolVersion: version };
}

async function detailOf(gateway: Gateway, tenant: string, approval: Approval): Promise<ApprovalDetail> {
  const { version, schema, decision, argsHash: _argsHash, ...rest } = approval;
  const tool = approval.tool === null ? null : gateway.app.registry.tool(approval.tool, version ?? "");
  const text = JSON.stringify(approval.input);
  return {
    ...rest,
    kind: "approval",
    toolVersion: version,
    summary: text.slice(0, 200).toWellFormed(),
    answerSchema: schema,
    inputSchema: tool?.inputSchema ?? null,
    decision:
      decision === null
        ? null
        : {
            decision: decision.decision,
            by: decision.by,
            reason: decision.reason ?? null,
            expired: decision.expired ?? false,
          },
    provenance: await provenanceOf(gateway, { tenant, runId: approval.runId }, approval.callId),
  };
}

/** Where the words of a call's arguments came from; null without a trace index, or while it cannot tell. */
async function provenanceOf(
  { traces }: Gateway,
  ref: { readonly tenant: string; readonly runId: string },
  callId: string,
): Promise<readonly Cause[] | null> {
  if (traces === null) return null;
  try {
    return (await traces.span(ref, spanIdOf(ref, `call:${callId}`))).causes;
  } catch (error) {
    // a question of a function has no call's span; anything else is the index's own trouble, and the approval still shows
    if (PawlError.is(error)) return null;
    throw error;
  }
}
