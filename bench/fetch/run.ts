/** `./pawl bench fetch`: CPU of a request to a model over kept connections, beside the global fetch. */
import { fork } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { guardedFetch, type Fetch } from "../../src/models/guarded-fetch.ts";
import { pooledFetch } from "../../src/models/transport.ts";
import { machine, median, short, table } from "../table.ts";

const HELP = `./pawl bench fetch [OPTIONS]
  --requests N   requests of a round (2000; a tenth of it streamed)
  --at-once N    requests at the same time (16)
  --rounds N     rounds, in turn (7)`;

const STREAM_CHUNKS = 100;
const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "z".repeat(300) }] });

interface Round {
  readonly cpuMs: number;
  readonly perSecond: number;
}

async function once(fetch: Fetch, url: string): Promise<void> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  await response.text();
}

/** CPU of this process for each request; the server has a process of its own. */
async function round(
  fetch: Fetch,
  url: string,
  on: { readonly requests: number; readonly atOnce: number },
): Promise<Round> {
  let left = on.requests;
  const before = process.cpuUsage();
  const startMs = performance.now();
  const lane = async (): Promise<void> => {
    while (left-- > 0) await once(fetch, url);
  };
  await Promise.all(Array.from({ length: on.atOnce }, lane));
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - startMs) / 1_000;
  return { cpuMs: (user + system) / 1_000 / on.requests, perSecond: on.requests / seconds };
}

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "2000" },
    "at-once": { type: "string", default: "16" },
    rounds: { type: "string", default: "7" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) console.log(HELP);
else await main(Number(values.requests), Number(values["at-once"]), Number(values.rounds));

async function main(requests: number, atOnce: number, rounds: number): Promise<void> {
  const server = fork(join(import.meta.dirname, "server.ts"));
  const port = await new Promise<number>((resolve) => {
    server.once("message", (told) => resolve(Number(told)));
  });
  try {
    await compare(`http://127.0.0.1:${port}`, { requests, atOnce, rounds });
  } finally {
    server.kill();
  }
}

async function compare(
  url: string,
  on: { readonly requests: number; readonly atOnce: number; readonly rounds: number },
): Promise<void> {
  console.log(
    `${machine()}\nCPU ms of this process for each request, checks of the body on; ${on.atOnce} at once\n\nraw rounds`,
  );
  const kinds = [
    { name: "one document", url: `${url}/v1/chat/completions`, expected: "json", requests: on.requests },
    {
      name: `stream of ${STREAM_CHUNKS}`,
      url: `${url}/v1/chat/completions?chunks=${STREAM_CHUNKS}`,
      expected: "event-stream",
      requests: Math.max(1, Math.round(on.requests / 10)),
    },
  ] as const;
  for (const kind of kinds) {
    const fetches = {
      global: guardedFetch("bench", kind.expected, globalThis.fetch),
      pooled: guardedFetch("bench", kind.expected, pooledFetch),
    };
    const seen = { global: [] as Round[], pooled: [] as Round[] };
    for (let i = -1; i < on.rounds; i++) {
      for (const which of ["global", "pooled"] as const) {
        const one = await round(fetches[which], kind.url, { requests: kind.requests, atOnce: on.atOnce });
        // the first round warms up
        if (i >= 0) seen[which].push(one);
      }
    }
    const rows = (["global", "pooled"] as const).map((which) => {
      const cpu = seen[which].map(({ cpuMs }) => cpuMs);
      return [
        `${kind.name}, ${which}`,
        ...cpu.map(short),
        short(median(cpu)),
        short(median(seen[which].map((r) => r.perSecond))),
      ];
    });
    const heads = Array.from({ length: on.rounds }, (_, i) => `${i + 1}`);
    console.log(table(["CPU ms/request", ...heads, "median", "requests/s"], rows));
    const ratio = median(seen.global.map(({ cpuMs }) => cpuMs)) / median(seen.pooled.map(({ cpuMs }) => cpuMs));
    console.log(`global fetch costs ${short(ratio)}× the CPU of the pooled one\n`);
  }
}
