import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { project } from "../cli/projects.ts";
import type { Folder, Started } from "../cli/terminal.ts";
import { oauthPlace, type OAuthPlace } from "./oauth-place.ts";

const env = { PAWL_MASTER_KEYS: `k1:${randomBytes(32).toString("base64")}` };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

async function folderFor(place: OAuthPlace): Promise<Folder> {
  const redirect = `http://127.0.0.1:${await freePort()}/callback`;
  return project(
    `
import { mcp, McpOAuth, sealedFile } from "pawl/mcp";
const auth = new McpOAuth({ tokens: sealedFile(".pawl/wiki.tokens"), redirectUrl: "${redirect}" });
const { wiki } = mcp({ wiki: { url: "${place.url}", auth } });
const agents = [agent({ name: "clerk", model: "test/model", instructions: "Look.", tools: [wiki] })];
const models = scriptedModel((_, { turn }) =>
  turn === 0 ? { toolCalls: [{ tool: "wiki__look", input: {} }] } : { text: "End." });
`,
    "agents, models",
  );
}

/** The address that a person is shown. */
const shownBy = (login: Started): Promise<string> => login.says(/(http:\S+\/authorize\S+)/);

async function loggedIn(t: TestContext) {
  const place = await oauthPlace(t);
  const folder = await folderFor(place);
  const login = folder.start(["mcp", "login", "wiki"], env);
  const url = await shownBy(login);
  assert.equal(new URL(url).searchParams.get("code_challenge_method"), "S256");
  // a page that guesses the address is not heard
  const guess = new URL(new URL(url).searchParams.get("redirect_uri") ?? "");
  guess.search = "?code=stolen&state=guessed";
  assert.equal((await fetch(guess)).status, 404);
  assert.match(await (await fetch(url)).text(), /You may close this window/);
  return { place, folder, ended: await login.ended };
}

test("a person lets Pawl in from the command line; what they gave is sealed, used by other processes, and renewed", async (t) => {
  const { place, folder, ended } = await loggedIn(t);
  assert.equal(ended.code, 0, ended.err);
  assert.match(ended.out, /wiki lets Pawl in: wiki 1, protocol \S+, 1 tool\./);
  const kept = folder.read(".pawl/wiki.tokens");
  assert.doesNotMatch(kept, /access_token|Bearer/);
  assert.equal(statSync(`${folder.path}/.pawl/wiki.tokens`).mode & 0o777, 0o600);
  place.expire();
  const run = await folder.start(["run", "clerk", "Go."], env).ended;
  assert.match(run.out + run.err, /seen/);
  assert.deepEqual(place.grants, ["authorization_code", "refresh_token"]);
  assert.notEqual(folder.read(".pawl/wiki.tokens"), kept, "the renewed tokens are kept");
  const other = { PAWL_MASTER_KEYS: `k1:${randomBytes(32).toString("base64")}` };
  assert.match((await folder.start(["run", "clerk", "Go."], other).ended).err, /key "k1" does not open/);
});

test("who says no, and what is no server, is told so", async (t) => {
  const folder = await folderFor(await oauthPlace(t, { refuses: true }));
  const login = folder.start(["mcp", "login", "wiki"], env);
  await fetch(await shownBy(login));
  const { code, err } = await login.ended;
  assert.notEqual(code, 0);
  assert.match(err, /access_denied/);
  assert.match((await folder.start(["mcp", "login", "wikki"], env).ended).err, /There is: wiki\. Did you mean "wiki"/);
  assert.match((await folder.start(["run", "clerk", "Go."], env).ended).err, /Run "pawl mcp login" with its name/);
});
