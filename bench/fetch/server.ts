/** A provider that costs the bench nothing: in a process of its own, one small document or a stream of events. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const document = JSON.stringify({ id: "x", choices: [{ message: { role: "assistant", content: "y".repeat(200) } }] });
const event = `data: ${JSON.stringify({ choices: [{ delta: { content: "a few words " } }] })}\n\n`;

const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    const chunks = Number(new URL(request.url ?? "/", "http://localhost").searchParams.get("chunks") ?? "0");
    if (chunks === 0) {
      response.writeHead(200, { "content-type": "application/json" }).end(document);
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    let left = chunks;
    const send = (): void => {
      if (left-- > 0) response.write(event, () => setImmediate(send));
      else response.end("data: [DONE]\n\n");
    };
    send();
  });
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
