import { once } from "node:events";
import { createServer } from "node:http";
import { PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import { nearest } from "../../core/nearest.ts";
import type { ToolSource } from "../../core/tool-contract.ts";
import { systemClock, systemEntropy } from "../../engine/system-clock.ts";
import { countText } from "../figures.ts";
import { configName, configPath, loadConfig } from "../load-config.ts";
import { openBrowser } from "../open-browser.ts";
import type { Place } from "../place.ts";
import { note, plain, say, tell } from "../terminal.ts";

type Options = Place & { readonly [option: string]: unknown };

/** `pawl mcp login SERVER`: a person says yes in their browser, and comes back to an address of this machine. */
export async function mcpLogin(name: string, options: Options): Promise<number> {
  const path = configPath(options.config);
  const sources = path === null ? [] : (await loadConfig(path)).registry.sources;
  const source = named(sources, name);
  try {
    if (source.login === undefined)
      throw new PawlError("OPTION_INVALID", `"${name}" asks no person: there is nothing to log in to.`);
    await source.login({ clock: systemClock, entropy: systemEntropy }, (url) => sentTo(url, options));
    const { says } = source.state;
    if (options.json === true)
      say(JSON.stringify({ server: name, says, tools: source.tools.map((tool) => tool.name) }));
    else tell(options, `${name} lets Pawl in: ${plain(says ?? "")}, ${countText(source.tools.length, "tool")}.`);
    return 0;
  } finally {
    await source.close();
  }
}

function named(sources: readonly ToolSource[], name: string): ToolSource {
  const found = sources.find((source) => source.name === name);
  if (found !== undefined) return found;
  const names = sources.map((source) => source.name);
  const near = nearest(name, names);
  throw new PawlError(
    "OPTION_INVALID",
    `no agent of ${configName} has a server of tools "${name.slice(0, 60)}". There is: ${names.join(", ") || "none"}.${near === null ? "" : ` Did you mean "${near}"?`}`,
  );
}

const LOOPBACK: readonly string[] = ["127.0.0.1", "localhost"];

/** Shows a person the address, and waits at the loopback address that it names for where they come back to. */
async function sentTo(url: URL, options: Options): Promise<URL> {
  const back = URL.parse(url.searchParams.get("redirect_uri") ?? "");
  if (back === null || back.protocol !== "http:" || !LOOPBACK.includes(back.hostname))
    throw new PawlError(
      "OPTION_INVALID",
      `redirectUrl is ${back?.href ?? "no address"}: people cannot come back to it here. Leave it out, or give http://127.0.0.1:PORT/callback.`,
    );
  const came = Promise.withResolvers<URL>();
  const server = createServer((request, response) => {
    const at = URL.parse(request.url ?? "", back.origin);
    // whoever else knocks here did not come from there
    const isBack = at?.pathname === back.pathname && at.searchParams.get("state") === url.searchParams.get("state");
    response.writeHead(isBack ? 200 : 404, { "content-type": "text/plain; charset=utf-8", connection: "close" });
    response.end(isBack ? "Pawl has the answer. You may close this window.\n" : "Nothing is here.\n");
    if (isBack) came.resolve(at);
  });
  const late = setTimeout(
    () => came.reject(new PawlError("AUTH_INVALID", "nobody came back from the page in five minutes. Try again.")),
    limits.mcpAuthorizeMs,
  );
  server.listen(Number(back.port || 80), "127.0.0.1");
  try {
    await once(server, "listening");
    note(options.json === true ? url.href : `Open this address, and say yes there:\n\n  ${url.href}\n`);
    if (options["open"] !== false) openBrowser(url.href);
    return await came.promise;
  } finally {
    clearTimeout(late);
    server.close();
  }
}
