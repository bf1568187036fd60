/** A process that starts on a database, executes what is due there, and tells what it takes once it is idle. */
import { setTimeout as wait } from "node:timers/promises";
import { answerQuestions } from "../peer.ts";
import { idle, waiterApp, type Idle } from "./waiter.ts";

export interface NewcomerQuestion {
  readonly path: string;
  readonly seconds: number;
}

/** What starting took is over by then. */
const SETTLE_MS = 2_000;

answerQuestions(async ({ path, seconds }: NewcomerQuestion): Promise<Idle> => {
  const app = waiterApp(path, () => {});
  await app.open();
  await wait(SETTLE_MS);
  const found = await idle(seconds);
  await app.close();
  return found;
});
