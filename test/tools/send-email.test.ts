import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { sendEmail, type SendEmailOptions } from "../../src/tools/builtin/send-email.ts";
import { callTool } from "./call-tool.ts";

interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

/** A mail server on this machine that takes mails for anybody who knows the password. */
async function mailServer(t: TestContext, options: SMTPServerOptions = {}) {
  const received: Received[] = [];
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    allowInsecureAuth: true,
    logger: false,
    onAuth: ({ username, password }, _, told) =>
      username === "desk" && password === "value-of-MAIL"
        ? told(null, { user: "desk" })
        : told(new Error("wrong password")),
    onRcptTo: ({ address }, _, told) => told(address.startsWith("nobody") ? new Error("no such user") : null),
    onData(stream, { envelope }, told) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
        received.push({
          from,
          to: envelope.rcptTo.map(({ address }) => address),
          text: Buffer.concat(chunks).toString(),
        });
        told();
      });
    },
    ...options,
  });
  server.on("error", () => undefined);
  const listening = server.listen(0, "127.0.0.1");
  await once(listening, "listening");
  t.after(() => server.close(() => undefined));
  return { received, port: (listening.address() as AddressInfo).port };
}

function sending(port: number, server: Partial<SendEmailOptions["server"]> = {}) {
  const tool = sendEmail({
    from: "desk@shop.example",
    server: { host: "127.0.0.1", port, user: "desk", secret: "MAIL", allowPlain: true, ...server },
  });
  return async (mail: { [name: string]: unknown }) =>
    (await callTool(
      [tool],
      "send_email",
      { to: ["ada@example.com"], subject: "Hello", text: "Dear Ada,\n.\nyours", ...mail } as never,
      { secret: (name) => Promise.resolve(`value-of-${name}`), idempotencyKey: "run-1:t0-1" },
    )) as { messageId: string; accepted: string[]; rejected: string[] };
}

test("a mail arrives whole, with a Message-ID made of the call's key", async (t) => {
  const { port, received } = await mailServer(t);
  const answer = await sending(port)({ cc: ["grace@example.com"], subject: "Grüße" });
  assert.deepEqual(answer.accepted, ["ada@example.com", "grace@example.com"]);
  assert.match(answer.messageId, /^<[0-9a-f]{32}@shop\.example>$/);
  const [mail] = received;
  assert.deepEqual([mail?.from, mail?.to], ["desk@shop.example", ["ada@example.com", "grace@example.com"]]);
  assert.ok(mail?.text.includes(`Message-ID: ${answer.messageId}`));
  assert.match(mail?.text ?? "", /Dear Ada,\r\n\.\r\nyours/);
  assert.equal((await sending(port)({})).messageId, answer.messageId);
});

test("headers cannot be injected, and addresses are addresses", async (t) => {
  const { port, received } = await mailServer(t);
  const send = sending(port);
  const refusals = [
    { subject: "Hi\r\nBcc: eve@example.com" },
    { subject: "Hi\nX: y" },
    { subject: "Hi\u0000" },
    { to: ["ada@example.com\r\nBcc: eve@example.com"] },
    { to: ["ada@example.com, eve@example.com"] },
    { to: ["Ada <ada@example.com>"] },
    { to: [] },
    { cc: ["x"] },
    { text: "" },
  ];
  for (const mail of refusals) await assert.rejects(send(mail), /arguments refused/, JSON.stringify(mail));
  await send({ text: "Bcc: eve@example.com\r\n\r\nSubject: other" });
  assert.deepEqual(received[0]?.to, ["ada@example.com"]);
  assert.equal(received.length, 1);
});

test("what the server refuses has surely not been sent; of some recipients it is said which", async (t) => {
  const { port, received } = await mailServer(t);
  const notSent = (message: RegExp) => ({ name: "NotApplied", message });
  await assert.rejects(sending(port)({ to: ["nobody@example.com"] }), notSent(/refused the mail.*no such user/));
  await assert.rejects(sending(port, { secret: "OTHER" })({}), notSent(/cannot be used.*wrong password/));
  await assert.rejects(sending(port, { allowPlain: false })({}), notSent(/cannot be used/));
  await assert.rejects(sending(1)({}), notSent(/cannot be used/));
  assert.deepEqual(received, []);
  const some = await sending(port)({ to: ["ada@example.com", "nobody@example.com"] });
  assert.deepEqual([some.accepted, some.rejected], [["ada@example.com"], ["nobody@example.com"]]);
});

test("a connection that breaks while the mail is on its way leaves it open whether it was sent", async (t) => {
  // a server that takes the mail and dies before it says so
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write("220 x\r\n");
    let isMail = false;
    socket.on("data", (chunk) => {
      const text = chunk.toString();
      if (isMail) return void (text.endsWith("\r\n.\r\n") && socket.destroy());
      isMail = text.startsWith("DATA");
      socket.write(isMail ? "354 go\r\n" : text.startsWith("QUIT") ? "221 bye\r\n" : "250 ok\r\n");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const tool = sendEmail({
    from: "a@b.example",
    server: { host: "127.0.0.1", port: (server.address() as AddressInfo).port, allowPlain: true },
  });
  const mail = { to: ["ada@example.com"], subject: "Hello", text: "x" };
  await assert.rejects(callTool([tool], "send_email", mail), (error: Error) => error.name !== "NotApplied");
});

test("a mail is sent once, asks a person, and goes where its arguments say", () => {
  const tool = sendEmail({ from: "a@b.example", server: { host: "mail.example", user: "a", secret: "MAIL" } });
  assert.equal(tool.effect, "once");
  assert.equal(tool.asksApproval, "always");
  assert.equal(tool.flow?.reversible, false);
  assert.deepEqual(tool.capabilities, ["net:mail.example", "secret:MAIL"]);
  assert.throws(() => sendEmail({ from: "a@b.example\r\nBcc: x@y.example", server: { host: "h" } }), {
    code: "OPTION_INVALID",
  });
  assert.throws(() => sendEmail({ from: "a@b.example", server: { host: "h", user: "a" } }), { code: "OPTION_INVALID" });
});
