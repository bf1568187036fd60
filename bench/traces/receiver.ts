import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answerQuestions } from "../peer.ts";

/** A receiver in a process of its own that takes everything and looks at nothing: its CPU is not the exporter's. */
const server = createServer((request, response) => {
  request.resume();
  request.once("end", () => response.end("{}"));
});

answerQuestions(async () => {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
