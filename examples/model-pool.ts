// Two endpoints behind one route, one of them broken: every run is answered, and the broken one is soon left alone.
import { agent, pawl } from "pawl";
import { pool } from "pawl/models";
import { sqlite } from "pawl/sqlite";
import { startWireServer } from "pawl/testing";
import { temporaryFolder } from "./temporary-folder.ts";

// two local servers that speak as a provider does; yours are base URLs and keys
const broken = await startWireServer([{ error: { status: 503 } }]);
const well = await startWireServer([{ text: "It rains." }]);
const at = (name: string, server: typeof well) => ({
  name, provider: "openai-compatible", model: "qwen", requestsPerMinute: 500,
  at: { baseUrl: server.baseUrl("openai-compatible") },
});
const models = pool({
  endpoints: [at("first", broken), at("second", well)],
  routes: { smart: { endpoints: ["first"], fallbacks: ["second"], deadlines: { firstTokenMs: 5_000 } } },
});
const weather = agent({ name: "weather", model: "smart", instructions: "Say how the weather is." });
const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [weather], models });

for (let day = 1; day <= 20; day++) {
  const run = await app.start(weather, { runId: `day-${day}`, input: "How is the weather?" });
  const result = await run.result();
  if (day === 1) for await (const event of run.events()) if (event.type === "model.attempted") console.log("day 1:", event.endpoint, event.error.code);
  if (day === 20) console.log("day 20:", result.status);
}
for (const { name, health } of models.status().endpoints) console.log(name, health);
console.log(`asked: first ${broken.requests.length}, second ${well.requests.length}`);
await app.close();
await Promise.all([broken.close(), well.close()]);
