/** One server of the bench in a process of its own: `mock DELAY_MS`, `pipe UPSTREAM`, `pawl UPSTREAM`. Tells its address and key. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Pawl } from "pawl";
import { gateway, spendHooks } from "pawl/gateway";
import { pool } from "pawl/models";
import { sqlite } from "pawl/sqlite";
import { Pool } from "undici";

const CHUNKS = 20;
const base = { id: "chatcmpl-1", object: "chat.completion", created: 1_763_769_600, model: "m" };
const usage = { prompt_tokens: 80, completion_tokens: 20, total_tokens: 100 };
const whole = JSON.stringify({
  ...base,
  choices: [{ index: 0, message: { role: "assistant", content: "word ".repeat(100) }, finish_reason: "stop" }],
  usage,
});

function chunk(delta: object, finish: string | null, more: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices, ...more })}\n\n`;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A provider: an answer after a delay; streamed, twenty chunks with the time of each in it. */
function mock(delayMs: number): Promise<string> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => (body += part));
    request.on("end", () => {
      const isStream = body.includes('"stream":true');
      const answer = (): void => {
        response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
        if (!isStream) {
          response.end(whole);
          return;
        }
        let sent = 0;
        const next = (): void => {
          if (sent++ < CHUNKS) {
            response.write(chunk({ content: `${performance.timeOrigin + performance.now()} ` }, null));
            setTimeout(next, 2);
          } else response.end(`${chunk({}, "stop", { usage })}data: [DONE]\n\n`);
        };
        next();
      };
      if (delayMs === 0) answer();
      else setTimeout(answer, delayMs);
    });
  });
  server.keepAliveTimeout = 60_000;
  return listening(server);
}

/** The least that a proxy can do. */
function pipe(upstream: string): Promise<string> {
  const client = new Pool(upstream, { connections: 256 });
  const server = createServer((request, response) => {
    const { url = "/", headers } = request;
    client.stream(
      { path: url, method: "POST", body: request, headers: { "content-type": headers["content-type"] ?? "" } },
      ({ statusCode, headers: got }) => {
        response.writeHead(statusCode, { "content-type": String(got["content-type"]) });
        return response;
      },
      (error) => {
        if (error !== null) response.destroy();
      },
    );
  });
  server.keepAliveTimeout = 60_000;
  return listening(server);
}

/** The gateway with its front as it runs: traces on a database file, a budget of the day, a rate limit. */
async function pawl(upstream: string, file: string): Promise<{ readonly url: string; readonly key: string }> {
  const many = { requestsPerS: 1_000_000, startsPerMinute: null, concurrentRuns: null, tokensPerDay: 1e14 };
  const limits = { key: many, tenant: many, addressRequestsPerS: null };
  const models = pool({
    endpoints: [
      {
        name: "m",
        provider: "mock",
        model: "m",
        at: { baseUrl: `${upstream}/v1`, key: { env: "KEY" } },
        price: { inputUsd: 1, outputUsd: 2, source: "bench", date: "2026-11-22" },
      },
    ],
    on: { env: { KEY: "sk-mock" } },
  });
  const app = new Pawl({ store: sqlite(file), agents: [], models, hooks: spendHooks(limits) });
  const server = gateway({ app, limits });
  const url = await server.listen();
  const { key } = await server.gateway.keys.create("bench", { name: "bench", roles: ["run"], createdBy: "bench" });
  return { url, key };
}

const [side = "", given = "", file = ""] = process.argv.slice(2);
if (side === "mock") process.send?.({ url: await mock(Number(given)), key: "none" });
else if (side === "pipe") process.send?.({ url: await pipe(given), key: "none" });
else process.send?.(await pawl(given, file));
