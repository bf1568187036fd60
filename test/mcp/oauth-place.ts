import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, Server } from "@modelcontextprotocol/server";

/** An MCP server that lets nobody in without a token, and the authorization server that gives them. */
export interface OAuthPlace {
  readonly url: string;
  /** What was asked at the token endpoint: `authorization_code` or `refresh_token`. */
  readonly grants: string[];
  /** Access tokens of before are worth nothing any more. */
  expire(): void;
}

interface Asked {
  readonly challenge: string;
  readonly redirect: string;
  readonly client: string;
}

/** Says no to whoever asks, where `refuses` is set. */
export async function oauthPlace(t: TestContext, { refuses = false }: { refuses?: boolean } = {}): Promise<OAuthPlace> {
  const grants: string[] = [];
  const codes = new Map<string, Asked>();
  const clients = new Map<string, readonly string[]>();
  const [access, refresh] = [new Set<string>(), new Set<string>()];
  const tokens = (): object => {
    const given = { access_token: randomUUID(), refresh_token: randomUUID(), token_type: "Bearer", expires_in: 3_600 };
    access.add(given.access_token);
    refresh.add(given.refresh_token);
    return given;
  };
  const granted = (form: URLSearchParams): object | null => {
    const kind = form.get("grant_type") ?? "";
    grants.push(kind);
    // each refresh token is good once
    if (kind === "refresh_token") return refresh.delete(form.get("refresh_token") ?? "") ? tokens() : null;
    const code = form.get("code") ?? "";
    const asked = codes.get(code);
    codes.delete(code);
    const proof = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    const isTheirs = asked?.redirect === form.get("redirect_uri") && asked.client === form.get("client_id");
    return asked?.challenge === proof && isTheirs ? tokens() : null;
  };
  const authorized = (query: URLSearchParams): string | null => {
    const [client, redirect] = [query.get("client_id") ?? "", query.get("redirect_uri") ?? ""];
    if (clients.get(client)?.includes(redirect) !== true || query.get("code_challenge_method") !== "S256") return null;
    const code = randomUUID();
    codes.set(code, { challenge: query.get("code_challenge") ?? "", redirect, client });
    const back = new URL(redirect);
    back.searchParams.set("state", query.get("state") ?? "");
    back.searchParams.set(refuses ? "error" : "code", refuses ? "access_denied" : code);
    return back.href;
  };
  const handler = createMcpHandler(() => {
    const server = new Server({ name: "wiki", version: "1" }, { capabilities: { tools: {} } });
    const look = { name: "look", description: "Looks.", inputSchema: { type: "object" as const } };
    server.setRequestHandler("tools/list", () => ({ tools: [look] }));
    server.setRequestHandler("tools/call", () => ({ content: [{ type: "text" as const, text: "seen" }] }));
    return server;
  });
  const mcp = toNodeHandler({ fetch: handler.fetch });
  let origin = "";
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "", origin);
    const say = (status: number, body: object, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
    };
    if (url.pathname === "/mcp") {
      const token = request.headers.authorization?.replace(/^Bearer /, "") ?? "";
      const where = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`;
      if (!access.has(token)) return say(401, { error: "invalid_token" }, { "www-authenticate": where });
      // the cast: node's own types say of absent members that they are undefined
      return mcp(request as NodeIncomingMessageLike, response);
    }
    if (url.pathname.startsWith("/.well-known/oauth-protected-resource"))
      return say(200, { resource: `${origin}/mcp`, authorization_servers: [origin] });
    if (url.pathname === "/.well-known/oauth-authorization-server")
      return say(200, {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        registration_endpoint: `${origin}/register`,
        response_types_supported: ["code"],
        grant_types_supported: ["authorization_code", "refresh_token"],
        code_challenge_methods_supported: ["S256"],
        token_endpoint_auth_methods_supported: ["none"],
      });
    if (url.pathname === "/authorize") {
      const back = authorized(url.searchParams);
      return back === null ? say(400, { error: "invalid_request" }) : say(302, {}, { location: back });
    }
    const body = await new Response(request as unknown as ReadableStream).text();
    if (url.pathname === "/register") {
      const metadata = JSON.parse(body) as { redirect_uris: readonly string[] };
      const client_id = randomUUID();
      clients.set(client_id, metadata.redirect_uris);
      return say(201, { ...metadata, client_id, token_endpoint_auth_method: "none" });
    }
    const given = url.pathname === "/token" ? granted(new URLSearchParams(body)) : null;
    return given === null ? say(400, { error: "invalid_grant" }) : say(200, given);
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(async () => {
    await handler.close();
    server.closeAllConnections();
    server.close();
  });
  return { url: `${origin}/mcp`, grants, expire: () => access.clear() };
}
