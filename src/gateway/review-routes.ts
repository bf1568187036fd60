import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { PawlError } from "../core/errors.ts";
import { parseJson, type JsonValue } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { ReviewLinks } from "../engine/review-links.ts";
import type { Gateway, GatewayApp } from "./gateway.ts";
import { isText, outcomePage, reviewPage } from "./review-page.ts";

const params: z.ZodType<{ readonly token: string }> = z.object({ token: z.string().regex(/^[\w-]{43}$/) });
const said = z.strictObject({
  vote: z.enum(["approve", "reject", "answer"]),
  reason: z.string().max(1_000).default(""),
  answer: z.string().max(limits.answerChars).default(""),
});
const isPublic = { role: "public" } as const;

/** Pages behind the links of webhooks. Public: the link is the credential, of one person and one approval. */
export function reviewRoutes(app: GatewayApp, { app: pawl }: Gateway): void {
  const links = new ReviewLinks(pawl.deps);
  app.get("/review/:token", { config: isPublic, schema: { hide: true, params } }, (request, reply) =>
    shown(reply, async () => {
      const { link, approval } = await links.read(request.params.token);
      return reviewPage(approval, link.by);
    }),
  );
  void app.register(async (scope) => {
    scope.addContentTypeParser(
      FORM,
      { parseAs: "string", bodyLimit: limits.reviewFormBytes },
      async (_request: FastifyRequest, body: string) => Object.fromEntries(new URLSearchParams(body)),
    );
    const config = { ...isPublic, isForm: true, bodyBytes: limits.reviewFormBytes } as const;
    scope.post<{ Params: { token: string }; Body: unknown }>(
      "/review/:token",
      { config, schema: { hide: true, params } },
      (request, reply) => shown(reply, () => decided(links, request.params.token, request.body)),
    );
  });
}

const FORM = "application/x-www-form-urlencoded";

async function decided(links: ReviewLinks, token: string, body: unknown): Promise<string> {
  const form = said.safeParse(body);
  if (!form.success) throw new PawlError("REQUEST_INVALID", "the form says neither approve, reject nor answer.");
  const { vote, reason, answer } = form.data;
  const given = vote === "answer" ? { answer: await answerOf(links, token, answer) } : {};
  const { missing, by } = await links.decide(token, { vote, ...given, ...(reason.trim() !== "" && { reason }) });
  const more = missing === 0 ? "It is decided." : `${missing} more must say the same.`;
  return outcomePage("Recorded", `${by}: ${vote}. ${more}`);
}

async function answerOf(links: ReviewLinks, token: string, text: string): Promise<JsonValue> {
  const { approval } = await links.read(token);
  if (isText(approval.schema)) return text;
  const parsed = parseJson(text);
  if (parsed.ok) return parsed.value;
  throw new PawlError("ANSWER_INVALID", `the answer is not JSON (${parsed.reason}). Go back and correct it.`);
}

/** A page of this origin alone, that says where it comes from when its form is sent, but not its token. */
async function shown(reply: FastifyReply, html: () => Promise<string>): Promise<FastifyReply> {
  void reply.headers({
    "content-security-policy":
      "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "strict-origin",
    "cache-control": "no-store",
  });
  let text: string;
  try {
    text = await html();
  } catch (error) {
    if (!PawlError.is(error)) throw error;
    void reply.code(error.status).header("x-pawl-error", error.code);
    text = outcomePage("Nothing was changed", error.message);
  }
  return reply.type("text/html; charset=utf-8").send(text);
}
