import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agent, pawl, tool, type Pawl } from "pawl";
import { modelSource } from "pawl/models";
import { sqlite } from "pawl/sqlite";
import { z } from "zod";
import {
  INSTRUCTIONS,
  modelNameFor,
  OUTPUT_TOKENS,
  partText,
  QUESTION,
  spread,
  TOOL_DESCRIPTION,
  TOOL_NAME,
  type Load,
  type PawlSettings,
} from "./workload.ts";

export interface PawlSide {
  run(): Promise<void>;
  /** @returns bytes of the database: closing it empties its write-ahead log. Blobs are in it. */
  close(): Promise<number>;
}

/** The job on Pawl: an agent on a fresh SQLite database in a temporary folder, with the settings of a user. */
export async function pawlSide(url: string, load: Load, settings: PawlSettings): Promise<PawlSide> {
  const folder = mkdtempSync(join(tmpdir(), "pawl-bench-"));
  const path = join(folder, "bench.db");
  const app = appFor(url, load, settings, path);
  await app.open();
  return {
    run: () => spread(load, () => runOnce(app)),
    close: async () => {
      await app.close();
      const bytes = statSync(path).size;
      rmSync(folder, { recursive: true });
      return bytes;
    },
  };
}

function appFor(url: string, load: Load, settings: PawlSettings, path: string): Pawl {
  const readPart = tool({
    name: TOOL_NAME,
    version: "1",
    description: TOOL_DESCRIPTION,
    inputSchema: z.object({ part: z.number() }),
    effect: settings.effect,
    execute: ({ part }) => partText(part),
  });
  const reader = agent({
    name: "reader",
    model: `openai-compatible/${modelNameFor(load.steps)}`,
    instructions: INSTRUCTIONS,
    tools: [readPart],
    maxOutputTokens: OUTPUT_TOKENS,
    // nothing is compacted, no cap is reached: bare AI SDK has neither
    contextTokens: 1_000_000_000,
    limits: { turns: load.steps + 2, tokens: 1_000_000_000_000 },
  });
  return pawl({
    store: sqlite(path, { thread: settings.thread }),
    agents: [reader],
    models: modelSource({ providers: { "openai-compatible": { baseUrl: url } }, env: {} }),
    hooks: { streams: load.mode === "streamed" },
  });
}

async function runOnce(app: Pawl): Promise<void> {
  const run = await app.start("reader", { input: QUESTION });
  const result = await run.result();
  if (result.status !== "completed") throw new Error(`a run ended ${JSON.stringify(result)}`);
}
