import type { ListRunsQuery } from "../client.ts";
import { summaryOf } from "../core/run-summary.ts";
import { confidenceOf, judgeCall } from "../engine/calibration.ts";
import { effectsOf } from "../engine/effect-ledger.ts";
import type { ReadEvent } from "../engine/run-events.ts";
import { SavingsReader } from "../engine/usage-savings.ts";
import { readGraphState } from "../graph/run-graph.ts";
import { personHere } from "./ask-person.ts";
import type { Desk } from "./desk.ts";
import type { Opened } from "./place.ts";
import { placeOfRun, rememberPlace } from "./run-places.ts";

const PAGE = 100;

type Of = Pick<Opened, "app" | "tenant">;

/** The runs of a database; who is at this terminal says and decides. */
export function localDesk(opened: Of): Desk {
  return { ...runs(opened), ...words(opened), ...decisions(opened), ...tools(opened) };
}

function runs({ app, tenant }: Of) {
  return {
    listRuns: async (query?: ListRunsQuery) => {
      const { status, agent, parent, cursor, limit = PAGE } = query ?? {};
      const filter = {
        ...(status !== undefined && { statuses: [status].flat() }),
        ...(agent !== undefined && { runnable: agent }),
        ...(parent !== undefined && { parentRunId: parent }),
      };
      const page = await app.runs(filter, { tenant, limit, ...(cursor !== undefined && { cursor }) });
      return { items: page.items.map((head) => ({ ...summaryOf(head), snippet: null })), cursor: page.cursor };
    },
    getRun: async (runId) => summaryOf(await app.run(runId, tenant).head()),
    listEvents: async (runId, query) => {
      const { after = 0, limit = PAGE } = query ?? {};
      const items: ReadEvent[] = [];
      for await (const event of app.run(runId, tenant).events({ after })) {
        if (items.length === limit) return { items, lastSeq: items.at(-1)?.seq ?? after, hasMore: true };
        items.push(event);
      }
      return { items, lastSeq: items.at(-1)?.seq ?? after, hasMore: false };
    },
    listRunEffects: async (runId) => {
      const events: ReadEvent[] = [];
      for await (const event of app.run(runId, tenant).events()) events.push(event);
      const items = effectsOf(events).map(({ decidedBy, at, ...entry }) => ({
        runId,
        ...entry,
        approver: decidedBy,
        changedAt: at,
      }));
      return { items };
    },
    getGraphState: (runId, query) => readGraphState(app.deps, { tenant, runId }, query?.turn),
    getSavings: (query) => new SavingsReader(app.store).of(tenant, query?.limit ?? PAGE),
  } satisfies Partial<Desk>;
}

function words({ app, tenant }: Of) {
  const saying = { tenant, by: personHere() };
  return {
    messageRun: (runId, { text }) => app.message(runId, text, saying),
    answerRun: (runId, { text }) => app.answer(runId, text, saying),
    signalRun: (runId, { name, value }) => app.signal(runId, name, value, saying),
    pauseRun: (runId, { reason }) => app.pause(runId, reason, saying),
    resumeRun: (runId) => app.resume(runId, saying),
    cancelRun: (runId, { reason }) => app.cancel(runId, reason, saying),
    unblockRun: (runId, { action }) => app.unblock(runId, action, saying),
    deleteRun: (runId) => app.deleteRun(runId, tenant),
    deleteThread: (threadId) => app.deleteThread(threadId, tenant),
    raiseBudget: (runId, { scope, amount }) => app.raiseBudget(runId, scope, amount, saying),
    forkRun: async (runId, request) => {
      const made = await app.fork(runId, { ...request, ...saying });
      const place = await placeOfRun(app.store, { tenant, runId });
      if (place !== null) await rememberPlace(app.store, made.ref, place);
      return { runId: made.id };
    },
  } satisfies Partial<Desk>;
}

function decisions({ app, tenant }: Of) {
  const [people, budgets, by] = [app.people(tenant), app.budgets(tenant), personHere()];
  return {
    listApprovals: async (query) => {
      const page = await people.list(query?.cursor ?? null, query?.limit);
      const items = page.items.map(({ key: _key, version, ...rest }) => ({ ...rest, toolVersion: version }));
      return { items, cursor: page.cursor };
    },
    getApproval: async (id) => {
      const { version, schema, decision, argsHash: _argsHash, ...rest } = await people.get(id);
      return {
        ...rest,
        kind: "approval",
        toolVersion: version,
        summary: JSON.stringify(rest.input),
        answerSchema: schema,
        decision: decision === null ? null : { reason: null, expired: false, ...decision },
      };
    },
    claimApproval: (id, request) => people.claim(id, { by, takeOver: request?.takeOver === true }),
    decideApproval: (id, { decision, answer = null, ...rest }) => {
      const options = { ...rest, by, from: "cli" };
      return decision === "answer" ? people.answer(id, { ...options, answer }) : people[decision](id, options);
    },
    commentApproval: (id, { text }) => people.comment(id, { by, text, from: "cli" }),
    getConfidence: (query) => confidenceOf(app.store, tenant, query),
    judgeCall: (call, { outcome }) => judgeCall(app.store, { tenant, ...call }, { outcome, by, at: Date.now() }),
    resolveEffect: ({ runId, callId }, body) => people.resolveEffect(runId, callId, { ...body, by }),
    listBudgets: async () => ({ items: await budgets.list(), cursor: null }),
    setBudget: async (name, { caps }) => {
      await budgets.set(name, caps, by);
      return { items: await budgets.list(), cursor: null };
    },
  } satisfies Partial<Desk>;
}

function tools({ app, tenant }: Of) {
  const [registry, by] = [app.tools(tenant), personHere()];
  return {
    listTools: async () => ({ items: await registry.list(), cursor: null }),
    diffTool: (name, query) => registry.diff(name, query?.version),
    acceptTool: (name, body) => registry.accept({ name, ...body }, by),
    quarantineTool: (name, body) => registry.quarantine({ name, ...body }, by),
    listGrants: async (query) => ({ items: await registry.grants(query?.tool), cursor: null }),
    grantTool: (request) => registry.grant(request, by),
    revokeGrant: (id) => registry.revoke(id, by),
  } satisfies Partial<Desk>;
}
