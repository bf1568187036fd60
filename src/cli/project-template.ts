/** What `pawl init` writes: by path below the new folder. */
export interface TemplateOptions {
  readonly name: string;
  /** What npm is asked for: this package, and zod as it was built with. */
  readonly pawl: string;
  readonly zod: string;
}

export function projectFiles(options: TemplateOptions): { readonly [path: string]: string } {
  return {
    "package.json": manifest(options),
    ".gitignore": "node_modules/\n.pawl/\npawl.db*\n.env\n",
    "README.md": readme(options.name),
    "pawl.config.ts": config,
    "agents/helper.ts": helper,
    "tools/search-handbook.ts": searchHandbook,
    "handbook.md": handbook,
    "test/helper.test.ts": helperTest,
  };
}

function manifest({ name, pawl, zod }: TemplateOptions): string {
  const content = {
    name,
    private: true,
    type: "module",
    scripts: { dev: "pawl dev", test: "node --test" },
    dependencies: { pawl, zod },
    engines: { node: ">=24.15" },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

function readme(name: string): string {
  return `# ${name}

    npm install
    npm test                                        the agent against a scripted model
    npx pawl run helper "When is the office open?"  without a key a model that only quotes answers
    npx pawl dev                                    a worker that starts again when the code changes
    npx pawl runs                                   what ran

\`pawl.config.ts\` says which agents there are and where their runs are kept. Set ANTHROPIC_API_KEY, OPENAI_API_KEY or
GOOGLE_GENERATIVE_AI_API_KEY for a real model, or PAWL_MODEL to choose one, as provider/model.
`;
}

const config = `import { pawl } from "pawl";
import { sqlite } from "pawl/sqlite";
import { helper } from "./agents/helper.ts";

export default pawl({ store: sqlite("pawl.db"), agents: [helper] });

// What "pawl up" goes by: limits, jwt, publicUrl, hosts, proxies, otlp. Its type is GatewayConfig of pawl/gateway.
// export const gateway = { limits: { tenant: { costUsdPerDay: 50 } } };
`;

const helper = `import { agent, type Agent } from "pawl";
import { defaultRoute } from "pawl/models";
import { searchHandbook } from "../tools/search-handbook.ts";

export const helper: Agent = agent({
  name: "helper",
  model: process.env["PAWL_MODEL"] ?? defaultRoute(),
  instructions: "Answer questions about the office from the handbook. Cite its line, as in (handbook.md:3). If it does not say, say so.",
  tools: [searchHandbook],
  limits: { turns: 10, tokens: 50_000 },
});
`;

const searchHandbook = `import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tool } from "pawl";
import { z } from "zod";

const file = join(import.meta.dirname, "../handbook.md");

export const searchHandbook = tool({
  name: "search_handbook",
  version: "1",
  description: "Searches the handbook and returns the lines that have any of the words.",
  inputSchema: z.object({ query: z.string().describe("Words to search for") }),
  effect: "pure", // it only reads: it may be repeated
  execute: async ({ query }) => {
    const words = query.toLowerCase().split(/\\W+/).filter((word) => word.length > 2);
    const lines = (await readFile(file, "utf8")).split("\\n");
    return lines.flatMap((text, i) =>
      words.some((word) => text.toLowerCase().includes(word)) ? [{ file: "handbook.md", startLine: i + 1, endLine: i + 1, text }] : [],
    );
  },
});
`;

const handbook = `# Handbook

The office is open from 8 to 18 on working days.
Parcels are handed in at the reception on the ground floor.
The last one to leave sets the alarm.
`;

const helperTest = `import assert from "node:assert/strict";
import { test } from "node:test";
import { pawl } from "pawl";
import { memoryStore, scriptedModel } from "pawl/testing";
import { helper } from "../agents/helper.ts";

test("the helper looks into the handbook before it answers", async () => {
  const models = scriptedModel([
    { toolCalls: [{ tool: "search_handbook", input: { query: "open" } }] },
    { text: "From 8 to 18 (handbook.md:3)." },
  ]);
  const app = pawl({ store: memoryStore(), agents: [helper], models });
  try {
    const run = await app.start(helper, { input: "When is the office open?" });
    const result = await run.result();
    assert.equal(result.status, "completed");
    assert.equal(result.output, "From 8 to 18 (handbook.md:3).");
    const seen = JSON.stringify(models.requests.at(-1)?.request.messages);
    assert.match(seen, /The office is open from 8 to 18/);
  } finally {
    await app.close();
  }
});
`;
