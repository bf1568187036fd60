import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { e2b, runc, sandbox, type BoxEngine } from "pawl/sandbox";
import { skipWithout } from "../run/system-packages.ts";

const signal = (): AbortSignal => AbortSignal.timeout(60_000);

interface Remote {
  readonly server: Server;
  readonly url: string;
  readonly seen: string[];
}

/** Speaks E2B's API as its clients see it. Its "boxes" are folders of this machine, so only the test's own code runs in it. */
async function remote(): Promise<Remote> {
  const seen: string[] = [];
  const folders = new Map<string, string>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>);
      const [, what = "", id = "", action = ""] = (request.url ?? "").split("/");
      seen.push(`${request.method} ${what}${action === "" ? "" : `/${action}`}`);
      if (what === "sandboxes" && request.headers["x-api-key"] !== "key")
        return void response.writeHead(401).end('{"message":"wrong key"}');
      if (what === "sandboxes" && request.method === "POST") {
        const made = `box${folders.size}`;
        folders.set(made, mkdtempSync(join(tmpdir(), "pawl-remote-")));
        return void response
          .writeHead(201, { "content-type": "application/json" })
          .end(JSON.stringify({ sandboxID: made, domain: null, envdAccessToken: "token" }));
      }
      if (what === "sandboxes") {
        rmSync(folders.get(id) ?? "/nowhere", { recursive: true, force: true });
        return void response.writeHead(204).end();
      }
      if (request.headers["x-access-token"] !== "token") return void response.writeHead(403).end("{}");
      const folder = folders.get(id) ?? "/nowhere";
      const code = String(body["code"]).replaceAll("/home/user/work", folder);
      const child = spawn(body["language"] === "bash" ? "sh" : "python3", ["-c", code], {
        cwd: folder,
        env: { PATH: "/usr/bin:/bin" },
      });
      const say = (part: object): void => void response.write(`${JSON.stringify(part)}\n`);
      child.stdout.on("data", (data: Buffer) => say({ type: "stdout", text: data.toString() }));
      child.stderr.on("data", (data: Buffer) => say({ type: "stderr", text: data.toString() }));
      response.once("close", () => child.kill("SIGKILL"));
      child.once("close", (exit) => {
        if (exit !== 0) say({ type: "error", name: "Error", value: String(exit), traceback: `exit ${exit}\n` });
        response.end('{"type":"end_of_execution"}');
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    server,
    seen,
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
  };
}

function ended({ server }: Remote): void {
  server.close();
  server.closeAllConnections();
}

describe("a remote sandbox (E2B's API)", { skip: skipWithout("python3") }, () => {
  const engineOf = ({ url }: Remote, apiKey = "key"): BoxEngine => ({
    ...e2b({ apiKey: () => apiKey, apiUrl: url, urlOf: (_port, id) => `${url}/run/${id}` }),
    kinds: ["python", "shell"],
  });
  it("brings files there and back, ends its box, and is believed only for what was seen", async (t) => {
    const there = await remote();
    t.after(() => ended(there));
    const box = await sandbox({ engines: [engineOf(there)], requires: ["environment"] });
    const result = await box.run(
      "python",
      "open('out.txt', 'w').write(open('a/in.txt').read().upper()); print('ok')",
      [{ path: "a/in.txt", bytes: Buffer.from("hi") }],
      { signal: signal() },
    );
    assert.deepEqual([result.exitCode, result.stdout], [0, "ok\n"], result.stderr);
    assert.deepEqual(
      result.artifacts.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]),
      [["out.txt", "HI"]],
    );
    assert.equal(result.report.enforces.network, false, "the stand-in keeps nothing apart, and the probe must see it");
    assert.equal(
      there.seen.filter((line) => line === "POST sandboxes").length,
      there.seen.filter((line) => line === "DELETE sandboxes").length,
    );
    const failed = await box.run("shell", "echo no >&2; exit 3", [], { signal: signal() });
    assert.deepEqual([failed.exitCode, failed.stderr], [1, "no\nexit 3\n"]);
  });
  it("is ended at its time limit, and a wrong key or address says so", async (t) => {
    const there = await remote();
    t.after(() => ended(there));
    const options = {
      limits: { wallMs: 1_500, cpuMs: 1_000, memoryBytes: 1e8, processes: 9, outputBytes: 1_000, fileBytes: 10_000 },
      env: {},
      proxy: null,
      signal: signal(),
    };
    const late = await engineOf(there).run("shell", "exec sleep 60", [], options);
    assert.deepEqual([late.exitCode, late.cut], [null, ["ended after 1500 ms"]]);
    const flood = await engineOf(there).run("shell", "head -c 100000 /dev/zero | tr '\\0' a", [], options);
    assert.deepEqual([flood.stdout.length, flood.cut.length], [1_000, 1]);
    await assert.rejects(engineOf(there, "wrong").run("shell", "true", [], options), {
      code: "SANDBOX_FAILED",
      message: /401.*wrong key/,
    });
    ended(there);
    await assert.rejects(engineOf(there).run("shell", "true", [], options), { code: "SANDBOX_FAILED" });
  });
});

describe("runc", { skip: skipWithout("runc") || (process.getuid?.() !== 0 && "needs root") }, () => {
  it("keeps everything apart, and leaves no container", async () => {
    const box = await sandbox({ engines: [runc()] });
    const result = await box.run(
      "python",
      "import os; print(os.getuid() > 1000, open('in').read()); open('out', 'w').write('x')",
      [{ path: "in", bytes: Buffer.from("hi") }],
      { signal: signal() },
    );
    assert.equal(result.stdout, "True hi\n", result.stderr);
    assert.deepEqual(
      result.artifacts.map(({ path }) => path),
      ["out"],
    );
    assert.ok(Object.values(result.report.enforces).every(Boolean));
    const killed = await box.run("shell", "sleep 2.71828 & sleep 60", [], {
      limits: { wallMs: 1_000 },
      signal: signal(),
    });
    assert.equal(killed.exitCode, null);
    const left = spawn("pgrep", ["-f", "2.71828"], { stdio: "ignore" });
    await once(left, "close");
    assert.equal(left.exitCode, 1, "a process of the container is left");
  });
});
