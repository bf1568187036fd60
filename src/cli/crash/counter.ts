import { appendFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

// The world outside of `pawl demo crash`: a process of its own that counts what arrives, in a file of its own. It imports
// nothing of Pawl. Arguments: the file, then the names of the tools. Prints its address; ends with its standard input.

const [file = "", ...tools] = process.argv.slice(2);
const arrived = new Map<string, string[]>();

function answer(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  const tool = url.searchParams.get("tool") ?? "";
  const key = url.searchParams.get("key") ?? "";
  const keys = arrived.get(tool) ?? [];
  if (url.pathname === "/deliver") {
    appendFileSync(file, `${new Date().toISOString()} ${tool} ${key}\n`);
    arrived.set(tool, [...keys, key]);
    answer(response, { count: keys.length + 1, isComplete: tools.every((name) => arrived.has(name)) });
  } else if (url.pathname === "/happened") {
    answer(response, keys.includes(key));
  } else {
    answer(response, Object.fromEntries(arrived));
  }
});

server.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
process.stdin.on("end", () => process.exit(0)).resume();
