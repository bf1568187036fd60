import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fastifyStatic } from "@fastify/static";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { GatewayApp } from "./gateway.ts";

const ASSETS_AGE_MS = 31_536_000_000;

/**
 * The built console: `index.html` at every address of the browser that is no file and no API, hashed files below `assets`,
 * and the other files of the folder by name. Public: they are the same for everybody and hold no data.
 * @param folder null = the console is not built; a page says so
 */
export function consoleFiles(app: GatewayApp, folder: string | null): void {
  if (folder === null) {
    app.get("/", { config: { role: "public" }, schema: { hide: true } }, (_request, reply) => sendNoConsole(reply));
    return;
  }
  void app.register(fastifyStatic, { root: folder, serve: false, dotfiles: "deny", preCompressed: true });
  const options = { config: { role: "public" }, schema: { hide: true } } as const;
  app.get("/", options, (_request, reply) => sendIndex(reply));
  app.get<{ Params: { "*": string } }>("/assets/*", options, (request, reply) => {
    const name = request.params["*"];
    // the build makes flat folders of plain names: whatever else is asked for is not there
    if (!/^\w[\w.-]*(\/\w[\w.-]*)?$/.test(name)) return reply.callNotFound();
    return reply.sendFile(join("assets", name), { maxAge: ASSETS_AGE_MS, immutable: true });
  });
  const names = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && /^\w/.test(entry.name) && !/\.(br|gz)$/.test(entry.name),
  );
  for (const { name } of names) {
    app.get(`/${encodeURIComponent(name)}`, options, (_request, reply) =>
      name === "index.html" ? sendIndex(reply) : reply.sendFile(name),
    );
  }
}

/** An address of the console that a browser opens: the page itself finds its way. */
export function isPageRequest({ method, url, headers }: FastifyRequest): boolean {
  const wantsPage = headers.accept?.includes("text/html") === true;
  return method === "GET" && wantsPage && !/^\/(api|v1|assets)(\/|$)/.test(url);
}

export function sendIndex(reply: FastifyReply): FastifyReply {
  // never kept: a new build has new file names
  return reply.header("cache-control", "no-cache").sendFile("index.html", { cacheControl: false });
}

function sendNoConsole(reply: FastifyReply): FastifyReply {
  return reply
    .type("text/html; charset=utf-8")
    .send(
      `<!doctype html><meta charset="utf-8"><title>Pawl</title><h1>Pawl</h1><p>The console is not built here. The API is at <a href="/docs">/docs</a>.</p>`,
    );
}
