/** A client process: does the job on one side when it is asked, and tells what that cost. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { answerQuestions } from "../peer.ts";
import { bareSide } from "./bare-side.ts";
import { pawlSide } from "./pawl-side.ts";
import type { Load, Measured, PawlSettings, Side } from "./workload.ts";

export interface ClientQuestion {
  /** `cost`: what a step takes · `disk`: bytes of the database after the runs */
  readonly type: "cost" | "disk";
  readonly url: string;
  readonly load: Load;
  readonly settings: PawlSettings;
}

const SAMPLE_MS = 10;
const side = process.argv[2] as Side;

async function measured(question: ClientQuestion): Promise<Measured> {
  const { url, load, settings } = question;
  if (side === "bare") return timed(load, bareSide(url, load));
  const pawl = await pawlSide(url, load, settings);
  try {
    return await timed(load, () => pawl.run());
  } finally {
    await pawl.close();
  }
}

/** CPU of the whole process, so that of SQLite's thread and of the garbage collector is in it. */
async function timed(load: Load, run: () => Promise<void>): Promise<Measured> {
  globalThis.gc?.();
  const lag = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  lag.enable();
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(cpuBefore);
  const wallMs = performance.now() - startedAt;
  lag.disable();
  const steps = load.steps * load.runs;
  return {
    stepsPerS: (1_000 * steps) / wallMs,
    cpuMsPerStep: (user + system) / 1_000 / steps,
    lagP99Ms: Math.max(0, lag.percentile(99) / 1e6 - SAMPLE_MS),
    heapMb: process.memoryUsage().heapUsed / 1e6,
  };
}

async function bytesOnDisk({ url, load, settings }: ClientQuestion): Promise<number> {
  const pawl = await pawlSide(url, load, settings);
  await pawl.run();
  return pawl.close();
}

answerQuestions((question: ClientQuestion) => (question.type === "cost" ? measured(question) : bytesOnDisk(question)));
