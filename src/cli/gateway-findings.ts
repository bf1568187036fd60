import { errorRecord } from "../core/errors.ts";
import { connect, localError } from "./connection.ts";
import type { Desk } from "./desk.ts";
import { bytesText, countText } from "./figures.ts";
import type { Place } from "./place.ts";
import { plain } from "./terminal.ts";

/** A line of `pawl doctor`. */
export interface Finding {
  readonly what: string;
  readonly state: "ok" | "note" | "wrong";
  readonly detail: string;
}

/** `pawl doctor --server`: the gateway, who asks it, its agents, models and index, and what waits there. */
export async function gatewayFindings(place: Place): Promise<readonly Finding[]> {
  const client = connect(place);
  const look = async (what: string, does: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> => {
    try {
      return await does();
    } catch (error) {
      const found = wrong(what, localError(error, place.server ?? ""));
      // a gateway may be without them
      return [found.detail.startsWith("TRACES_OFF") ? { ...found, state: "note" } : found];
    }
  };
  const gateway = await look("gateway", async () => {
    const isReady = await client.isReady();
    const detail = isReady ? `${place.server} is ready` : "it starts, drains, or cannot reach its store";
    return [{ what: "gateway", state: isReady ? "ok" : "wrong", detail }];
  });
  if (gateway.some(({ state }) => state === "wrong")) return gateway;
  const asked = await look("key", async () => {
    const { principal, tenant, roles } = await client.getSession();
    return [{ what: "key", state: "ok", detail: `${plain(principal)} of tenant "${tenant}": ${roles.join(", ")}` }];
  });
  // without a key nothing else is told
  if (asked.some(({ state }) => state === "wrong")) return [...gateway, ...asked];
  const rest = await Promise.all([
    look("agents", async () => {
      const names = (await client.listAgents()).items.map(({ name }) => plain(name));
      return [{ what: "agents", state: "ok", detail: names.join(", ") || "none" }];
    }),
    look("model", async () =>
      (await client.getModelStatus()).endpoints.map(({ name, problem }) => ({
        what: "model",
        state: problem === null ? "ok" : "wrong",
        detail: `${plain(name)}${problem === null ? "" : `: ${plain(problem)}`}`,
      })),
    ),
    look("traces", async () => {
      const { runs, bytes } = await client.getTraceIndex();
      return [{ what: "traces", state: "ok", detail: `${countText(runs, "run")} in ${bytesText(bytes)}` }];
    }),
    look("runs", () => runFindings(client)),
  ]);
  return [...gateway, ...asked, ...rest.flat()];
}

/** What waits for people, and what stands still. */
export async function runFindings(desk: Pick<Desk, "listApprovals" | "listRuns">): Promise<readonly Finding[]> {
  const open = (await desk.listApprovals({ limit: 100 })).items.length;
  const blocked = (await desk.listRuns({ status: "blocked", limit: 100 })).items;
  const asked = open === 0 ? "nothing is asked" : `${countText(open, "question")}: pawl approvals`;
  const names = blocked.map(({ runId }) => runId).join(", ");
  return [
    { what: "people", state: "note", detail: asked },
    ...(blocked.length === 0
      ? []
      : [{ what: "blocked", state: "wrong", detail: `${names}: pawl show RUN_ID` } as const]),
  ];
}

export function wrong(what: string, error: unknown): Finding {
  const { code, message } = errorRecord(error, "INTERNAL");
  return { what, state: "wrong", detail: `${code}: ${plain(message)}` };
}
