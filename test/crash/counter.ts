/**
 * The outside world of the kill sweep: a process of its own that counts what tools really did. It flushes each act to
 * its file before it answers, so the record outlives every kill, its own included.
 *
 * `node counter.ts FILE` prints `{"port":n}`, then `{"halted":{trial,tool,phase}}` when a call reaches a halt.
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { effectOf, type Act, type ActAnswer, type ActRequest, type Halt, type LookupAnswer } from "./acts.ts";

const SLOW_MS = 150;

const file = openSync(process.argv[2] ?? "acts.ndjson", "a");
/** Receipts by trial and key. */
const receipts = new Map<string, string>();
const halts = new Map<string, { readonly halt: Halt; left: number }>();

function tell(message: object): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

/** Does it, or not again where the receiver of such calls knows the key; on disk when this returns. */
function act(trial: string, { tool, key, subject, attempt }: ActRequest): ActAnswer {
  const place = `${trial}/${key}`;
  const receipt = `${tool} ${subject}`;
  const repeated = effectOf[tool] === "idempotent" && receipts.has(place);
  const done: Act = { trial, tool, key, subject, attempt, repeated };
  writeSync(file, `${JSON.stringify(done)}\n`);
  fsyncSync(file);
  receipts.set(place, receipt);
  return { receipt };
}

/** The halt that this call reaches, if any. */
function reached(trial: string, tool: string): Halt | null {
  const set = halts.get(trial);
  if (set === undefined || set.halt.tool !== tool || --set.left > 0) return null;
  halts.delete(trial);
  return set.halt;
}

function answerAct(trial: string, wanted: ActRequest, send: (value: object) => void): void {
  const halt = reached(trial, wanted.tool);
  const done = act(trial, wanted);
  // halted before its answer, the caller never hears that it happened
  if (halt === null || halt.phase === "after-answer") send(done);
  if (halt?.phase === "slow-answer") setTimeout(() => send(done), SLOW_MS);
  if (halt !== null) tell({ halted: { trial, ...halt } });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, trial = "", verb = ""] = (request.url ?? "").split("/");
  const body: unknown = await json(request);
  const send = (value: object): void => {
    response.setHeader("connection", "close");
    response.end(JSON.stringify(value));
  };
  if (verb === "act") {
    answerAct(trial, body as ActRequest, send);
  } else if (verb === "lookup") {
    const receipt = receipts.get(`${trial}/${(body as { readonly key: string }).key}`);
    const found: LookupAnswer = receipt === undefined ? { happened: false } : { happened: true, receipt };
    send(found);
  } else {
    const halt = body as Halt;
    halts.set(trial, { halt, left: halt.nth });
    send({});
  }
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.listen(0, "127.0.0.1", () => tell({ port: (server.address() as AddressInfo).port }));
// the sweep holds our standard input: when it is gone, nobody needs the counter
process.stdin.on("end", () => {
  closeSync(file);
  process.exit(0);
});
process.stdin.resume();
