/** `./pawl bench [NAME] [OPTIONS]`: lists the benches there are, or runs one. */
import { spawn } from "node:child_process";
import { join } from "node:path";

const benches: { readonly [name: string]: string } = {
  overhead: "what a durable step costs beside bare AI SDK: steps/s, CPU, event-loop lag, bytes on disk",
  resume: "claim to first request: a run of 10,000 events beside one of 10",
  parks: "what waiting costs: 20,000 parked runs, an idle process, 100,000 parks",
  counting: "tokens: MB/s, and the longest block of the event loop on hostile text",
  fetch: "CPU of a request to a model over kept connections, beside the global fetch",
  "fault-run": "a pool of two model endpoints, one in storms: calls that succeed, attempts, seconds to shed",
  "budget-race": "200 calls at once at one unit left, 4 processes on one ledger: calls started that did not fit",
  traces: "the trace index: spans/s, lists of 100,000 runs, windows of a 50,000-span run, export",
  console: "a 50,000-span run in a real browser: from the address to the first rows of its timeline",
  gateway: "HTTP: start and get beside a bare Fastify route, 1,000 readers of one run",
  front: "calls through the OpenAI front, beside a bare undici pipe and Portkey's gateway",
  teams: "a supervisor and k specialists: CPU of a delegation, speed-up on a slow model, bytes by steps",
  guard: "CPU that judging a tool call and cleaning its result adds, and that it grows with the text alone",
  sandbox: "what running code apart costs: each engine that is here, beside a bare child process",
  offline: "what the offline model answers, beside where the answers stand",
};

function list(): void {
  console.log("./pawl bench NAME [--help]\n");
  for (const [name, what] of Object.entries(benches)) console.log(`  ${name.padEnd(12)} ${what}`);
}

/** A process of its own for each bench, so that none measures what another left behind. */
function run(name: string, args: readonly string[]): Promise<number> {
  const file = join(import.meta.dirname, name, "run.ts");
  const flags = ["--conditions=pawl-source", "--expose-gc", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, file, ...args], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined || name === "--help" || name === "-h") list();
else if (Object.hasOwn(benches, name)) process.exitCode = await run(name, args);
else {
  console.error(`there is no bench "${name}". There is: ${Object.keys(benches).join(", ")}.`);
  process.exitCode = 2;
}
