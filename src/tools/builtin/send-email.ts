import { createTransport } from "nodemailer";
import { z } from "zod";
import { notApplied, PawlError } from "../../core/errors.ts";
import { hashText } from "../../core/hash.ts";
import { errorText } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { ToolContext, ToolDefinition } from "../../core/tool-contract.ts";
import { type ApprovalRule, tool } from "../tool.ts";

export interface Mail {
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly subject: string;
  readonly text: string;
}
export interface SendEmailOptions {
  /** The address that mails come from. */
  readonly from: string;
  readonly server: {
    readonly host: string;
    /** Default 587, where the connection must change to TLS; 465 is TLS from the start. */
    readonly port?: number;
    readonly user?: string;
    /** The password's name in pawl({ secrets }). */
    readonly secret?: string;
    /** Also where the server has no TLS: for one on this machine. Default false. */
    readonly allowPlain?: boolean;
  };
  /** Default `always`: a person sees each mail before it goes out. */
  readonly approval?: ApprovalRule<Mail>;
}

const address = z.email().max(254);
const recipients = z.object({ accepted: z.array(z.string()).catch([]), rejected: z.array(z.string()).catch([]) });
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const oneLine = /^[^\u0000-\u001F\u007F-\u009F\u2028\u2029]*$/;

/**
 * The tool `send_email`: one mail of plain text by SMTP. It is `once`: a mail whose fate nobody knows is not sent again.
 * Its Message-ID is made of the call's key, so that it can be looked for.
 * @throws OPTION_INVALID
 */
export function sendEmail(options: SendEmailOptions): ToolDefinition {
  const { from, server, approval = "always" } = options;
  if (!address.safeParse(from).success)
    throw new PawlError(
      "OPTION_INVALID",
      `send_email: from is ${JSON.stringify(from)}. Give one address, as "desk@example.com".`,
    );
  if ((server.user === undefined) !== (server.secret === undefined))
    throw new PawlError("OPTION_INVALID", "send_email: give the server's user and secret, or neither.");
  return tool({
    name: "send_email",
    version: "1",
    description: `Sends one mail of plain text from ${from}. It cannot be taken back.`,
    inputSchema: z.object({
      to: z.array(address).min(1).max(limits.mailRecipients).describe("Addresses, as ada@example.com"),
      cc: z.array(address).max(limits.mailRecipients).default([]),
      subject: z.string().trim().min(1).max(200).regex(oneLine, "one line, without control characters"),
      text: z.string().min(1).max(limits.mailChars).describe("The whole text"),
    }),
    effect: "once",
    approval,
    flow: { sinks: { to: "destination", cc: "destination", subject: "content", text: "content" }, reversible: false },
    capabilities: [`net:${server.host}`, ...(server.secret === undefined ? [] : [`secret:${server.secret}`])],
    timeLimitMs: limits.mailTimeMs,
    execute: (mail, ctx) => sent(options, mail, ctx),
  });
}

async function sent({ from, server }: SendEmailOptions, mail: Mail, ctx: ToolContext): Promise<object> {
  const { host, port = 587, user, secret, allowPlain = false } = server;
  if (!ctx.may(`net:${host}`)) throw notApplied(`this run was not granted host "${host}".`);
  const auth = user === undefined || secret === undefined ? undefined : { user, pass: await ctx.secret(secret) };
  const transport = createTransport({
    host,
    port,
    secure: port === 465,
    requireTLS: !allowPlain,
    ignoreTLS: allowPlain,
    ...(auth && { auth }),
    connectionTimeout: limits.mailConnectMs,
    greetingTimeout: limits.mailConnectMs,
    socketTimeout: limits.mailConnectMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const stop = (): void => transport.close();
  ctx.signal.addEventListener("abort", stop, { once: true });
  try {
    // what is wrong with the server comes out before there is a mail on its way
    await transport.verify().catch((error: unknown) => {
      throw notApplied(`the mail server ${host} cannot be used: ${errorText(error, 300)}`);
    });
    if (ctx.signal.aborted) throw notApplied("the call was stopped before a mail was sent.");
    const messageId = `<${hashText(ctx.idempotencyKey).slice(0, 32)}@${from.split("@").at(-1) ?? "pawl"}>`;
    const info: unknown = await transport.sendMail({ from, ...copied(mail), messageId }).catch(refusedOrUnknown);
    return { messageId, ...recipients.parse(info) };
  } finally {
    ctx.signal.removeEventListener("abort", stop);
    transport.close();
  }
}

function copied({ to, cc, subject, text }: Mail): { to: string[]; cc: string[]; subject: string; text: string } {
  return { to: [...to], cc: [...cc], subject, text };
}

/** A server that answers with a number has not taken the mail; any other end leaves that open. */
function refusedOrUnknown(error: unknown): never {
  const code = error instanceof Error && "responseCode" in error ? error.responseCode : null;
  if (typeof code === "number" && code >= 400)
    throw notApplied(`the mail server refused the mail: ${errorText(error, 300)}`);
  throw error;
}
