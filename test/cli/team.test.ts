import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { researchTeam } from "../../src/cli/research-team.ts";
import { Pawl } from "../../src/engine/runtime.ts";
import { modelSource } from "../../src/models.ts";
import { memoryStore } from "../../src/testing/memory-store.ts";
import { checkRuns } from "../../src/testing/run-checks.ts";

const files = {
  "notes.md":
    "# Harbour cafe\n\nThe cafe sells coffee and cake in three regions.\n\n## People\n\nThe north region is led by Ada Berg.\n",
  "sales.csv": "region,product,revenue\nnorth,coffee,120.5\nnorth,tea,30\nsouth,coffee,80\nwest,coffee,60\n",
};

async function asked(
  folder: Readonly<Record<string, string>>,
  question: string,
): Promise<{ readonly text: string; readonly children: readonly string[] }> {
  const docs = mkdtempSync(join(tmpdir(), "pawl-team-"));
  for (const [name, text] of Object.entries(folder)) writeFileSync(join(docs, name), text);
  const { agent, documents } = await researchTeam(docs, { model: "offline/extractive", cacheFolder: null });
  const app = new Pawl({ store: memoryStore(), agents: [agent], models: modelSource({ env: {} }) });
  try {
    const run = await app.start(agent, { input: question });
    const result = await run.result();
    assert.equal(result.status, "completed", JSON.stringify(result));
    await checkRuns(app);
    const { items } = await app.runs({ parentRunId: run.id });
    const text = result.status === "completed" && typeof result.output === "string" ? result.output : "";
    return { text, children: items.map(({ runnable }) => runnable).toSorted() };
  } finally {
    await app.close();
    documents.close();
    rmSync(docs, { recursive: true });
  }
}

test("the built-in team answers a question of texts and tables without a provider: found, computed, written, reviewed", async () => {
  const { text, children } = await asked(files, "What is the revenue by region, and who leads the north region?");
  assert.deepEqual(children, ["analysis", "research", "reviewer", "writer"]);
  assert.match(text, /^# What is the revenue/);
  assert.match(text, /led by Ada Berg.*\(notes\.md:7\)/);
  assert.match(text, /north, sum_revenue 150\.5 `SELECT "region", SUM\("revenue"\)/);
  assert.match(text, /Review: (\d+) of \1 claims are supported/);
});

test("a folder without tables has no analysis, and what is not found is said, not made up", async () => {
  const { text, children } = await asked(
    { "notes.md": files["notes.md"] },
    "Who founded the lighthouse museum in Tromsø?",
  );
  assert.deepEqual([...new Set(children)], ["research", "reviewer", "writer"]);
  assert.match(text, /Open questions\n\n- Who founded the lighthouse museum/);
});
