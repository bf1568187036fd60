import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";
import { bubblewrap, quickJs, sandbox, type SandboxOptions } from "pawl/sandbox";
import { skipWithout } from "../run/system-packages.ts";

const web = createServer((request, response) => void response.end(`hello ${request.headers.host} ${request.url}`));
let port = 0;
before(async () => {
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const address = web.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
after(() => void web.close());

const signal = (): AbortSignal => AbortSignal.timeout(60_000);

async function fetched(
  urls: readonly string[],
  hosts: readonly string[],
  egress: SandboxOptions["egress"],
): Promise<{ readonly lines: readonly string[]; readonly cut: readonly string[] }> {
  const box = await sandbox({ engines: [bubblewrap], ...(egress && { egress }) });
  const code = `import urllib.request\nfor url in ${JSON.stringify(urls)}:\n  try: print(urllib.request.urlopen(url, timeout=5).read().decode())\n  except Exception as error: print(error)`;
  const { stdout, stderr, cut } = await box.run("python", code, [], { hosts, signal: signal() });
  assert.equal(stderr, "");
  return { lines: stdout.trim().split("\n"), cut };
}

describe("the way out of a box", { skip: skipWithout("bwrap") }, () => {
  it("leads to the hosts that were given and to no other", async () => {
    const urls = [
      `http://good.test:${port}/x?y=1`,
      `http://sub.good.test:${port}/`,
      `http://notgood.test:${port}/`,
      "http://good.test:22/",
      `http://127.0.0.1:${port}/`,
      `http://u:p@good.test:${port}/`,
    ];
    const resolve = (): Promise<readonly string[]> => Promise.resolve(["127.0.0.1"]);
    const { lines, cut } = await fetched(urls, ["good.test"], { ports: [port], allowPrivate: true, resolve });
    assert.equal(lines[0], `hello good.test:${port} /x?y=1`);
    assert.equal(lines.filter((line) => line.startsWith("hello")).length, 1, lines.join("\n"));
    assert.ok(cut.includes("not reached: notgood.test is not granted"), cut.join("\n"));
  });
  it("leads to names below a name where that was given", async () => {
    const resolve = (): Promise<readonly string[]> => Promise.resolve(["127.0.0.1"]);
    const urls = [`http://a.b.good.test:${port}/`, `http://good.test:${port}/`, `http://xgood.test:${port}/`];
    const { lines } = await fetched(urls, ["*.good.test"], { ports: [port], allowPrivate: true, resolve });
    assert.deepEqual(
      lines.map((line) => line.startsWith("hello")),
      [true, false, false],
    );
  });
  it("leads to no address that is not public, whichever of several it is, and asks for a name once", async () => {
    const answers = [["8.8.8.8", "127.0.0.1"], ["169.254.169.254"], ["::ffff:10.0.0.1"], ["127.0.0.1"]];
    const asked: string[] = [];
    const resolve = (host: string): Promise<readonly string[]> => {
      asked.push(host);
      return Promise.resolve(answers[Number(host[1])] ?? []);
    };
    const urls = answers.map((_, i) => `http://h${i}.test:${port}/`);
    const { lines, cut } = await fetched(urls, ["*.test"], { ports: [port], resolve });
    assert.ok(
      lines.every((line) => line.includes("403")),
      lines.join("\n"),
    );
    assert.deepEqual(asked, ["h0.test", "h1.test", "h2.test", "h3.test"]);
    assert.equal(cut.length, answers.length);
  });
  it("tunnels, but not to a name with a NUL in it, and nothing goes around it", async () => {
    const box = await sandbox({
      engines: [bubblewrap],
      egress: { ports: [port], allowPrivate: true, resolve: () => Promise.resolve(["127.0.0.1"]) },
    });
    const code = `
import socket
def ask(line):
    s = socket.create_connection(("127.0.0.1", 3128)); s.sendall(line); return s, s.recv(200)
s, answer = ask(b"CONNECT good.test:${port} HTTP/1.1\\r\\n\\r\\n"); s.sendall(b"GET /t HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n")
whole = b""
while chunk := s.recv(4096): whole += chunk
print(answer.split()[1].decode(), whole.split(b"\\r\\n")[-1].decode())
for line in [b"CONNECT evil\\0.good.test:${port} HTTP/1.1\\r\\n\\r\\n", b"CONNECT good.test@evil.test:${port} HTTP/1.1\\r\\n\\r\\n", b"CONNECT good.test:99999 HTTP/1.1\\r\\n\\r\\n"]:
    print((ask(line)[1].split() or [b"-", b"-"])[1].decode())
try: socket.create_connection(("127.0.0.1", ${port}), 2); print("reached")
except OSError: print("closed")`;
    const { stdout } = await box.run("python", code, [], { hosts: ["good.test"], signal: signal() });
    const [tunnelled, nul, user, far, direct] = stdout.trim().split("\n");
    assert.equal(tunnelled, "200 hello a /t");
    for (const refused of [nul, user, far]) assert.notEqual(refused, "200");
    assert.equal(direct, "closed");
  });
  it("is refused where the engine has none", async (t) => {
    const box = await sandbox({ engines: [quickJs] });
    t.after(() => box.close());
    await assert.rejects(box.run("javascript", "1", [], { hosts: ["good.test"], signal: signal() }), {
      code: "OPTION_INVALID",
    });
  });
});
