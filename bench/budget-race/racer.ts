/** A process that wants the last unit of a budget many times at once. */
import { sqlite } from "pawl/sqlite";
import { answerQuestions } from "../peer.ts";

export interface RaceQuestion {
  readonly path: string;
  readonly round: number;
  readonly racer: number;
  readonly calls: number;
}

let store: ReturnType<typeof sqlite> | null = null;

/** @returns how many of the calls may start */
answerQuestions(async ({ path, round, racer, calls }: RaceQuestion): Promise<number> => {
  const ledger = (store ??= sqlite(path));
  await ledger.open();
  const amounts = [{ scope: `race:${round}`, window: "all", unit: "calls", amount: 1 } as const];
  const results = await Promise.all(
    Array.from({ length: calls }, (_, i) => {
      const id = `run-${racer}-${i}:t${round}:1`;
      return ledger.reserve("default", { id, runId: `run-${racer}-${i}`, amounts });
    }),
  );
  return results.filter(({ type }) => type === "ok").length;
});
