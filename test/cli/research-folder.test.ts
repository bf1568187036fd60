import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { researchAgent } from "../../src/cli/research-agent.ts";
import { tempFolder } from "../tools/temp-folder.ts";

const options = { model: "offline/extractive", cacheFolder: null };

test("reports of earlier runs and what programs write are no documents, a report by a person is one", async (t) => {
  const docs = tempFolder(t, {
    "pears.md": "# Pears\n\n## Planting\n\nThey were planted in 1887.\n",
    "reports/when-0123456789ab.md": "# When\n\nIn 1887 (pears.md:5).\n",
    "reports/annual.md": "# Annual report\n\nA good year.\n",
    "up.log": "started\n",
    "up.pid": "12\n",
    "pawl.db.lock": "12\n",
  });
  const { agent, documents } = await researchAgent({ docs, reports: join(docs, "reports") }, options);
  t.after(() => documents.close());
  assert.equal(documents.files, 2);
  assert.deepEqual(documents.skipped.map(({ file, reason }) => `${file}: ${reason}`).toSorted(), [
    "pawl.db.lock: not a document",
    "reports/when-0123456789ab.md: report of an earlier run",
    "up.log: not a document",
    "up.pid: not a document",
  ]);
  assert.deepEqual(agent.samples?.slice(1), [
    'What does it say about "Planting"?',
    'What does it say about "Annual report"?',
  ]);
});
