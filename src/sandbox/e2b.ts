import { PawlError } from "../core/errors.ts";
import type { CodeKind, SandboxFile } from "../core/sandbox-contract.ts";
import { changed, packed, unpacked } from "./archive.ts";
import type { BoxEngine, BoxOptions, BoxRun } from "./engine.ts";

export interface E2bOptions {
  /** Asked for at each use, so that a key can be changed; never stored. */
  readonly apiKey: () => string | Promise<string>;
  /** Default `https://api.e2b.dev`. */
  readonly apiUrl?: string;
  /** What the boxes are made from; default `code-interpreter-v1`. */
  readonly template?: string;
  /** Where a port of a box is reached; default `https://PORT-ID.DOMAIN`, as E2B does. */
  readonly urlOf?: (port: number, id: string, domain: string) => string;
}

interface Box {
  readonly id: string;
  readonly url: string;
  readonly token: string | null;
}
interface Executed {
  readonly stdout: string;
  readonly stderr: string;
  readonly isFailed: boolean;
  readonly cut: readonly string[];
}

const CODE_PORT = 49_999;
const FOLDER = "/home/user/work";
const ANSWER_BYTES = 65_536;
/** Base64 of the folder, packed: a third more than its bytes, and the archive's own. */
const ARCHIVE_FACTOR = 3;
const languages: Readonly<Record<CodeKind, string>> = { python: "python", javascript: "javascript", shell: "bash" };

/** Boxes of somebody else's machine, over E2B's API: each run has one of its own, which is ended whatever happens. */
export function e2b(options: E2bOptions): BoxEngine {
  const apiUrl = (options.apiUrl ?? "https://api.e2b.dev").replace(/\/$/, "");
  return {
    name: "e2b",
    kinds: ["python", "javascript", "shell"],
    hasEgress: false,
    missing: async () => ((await options.apiKey()) === "" ? "no API key" : null),
    async run(kind, code, files, run): Promise<BoxRun> {
      const began = performance.now();
      const key = { "x-api-key": await options.apiKey() };
      const signal = AbortSignal.any([run.signal, AbortSignal.timeout(run.limits.wallMs)]);
      const box = await created(apiUrl, key, options, run);
      try {
        await execute(box, "python", unpacking(files), run, signal);
        const done = await execute(
          box,
          languages[kind],
          kind === "python" ? `import os; os.chdir(${JSON.stringify(FOLDER)})\n${code}` : code,
          run,
          signal,
        );
        const left = await execute(
          box,
          "python",
          PACKING,
          { ...run, limits: { ...run.limits, outputBytes: run.limits.fileBytes * ARCHIVE_FACTOR } },
          signal,
        );
        const archive = unpacked(Buffer.from(left.stdout.trim(), "base64"));
        const artifacts = changed(archive.files, files);
        return {
          ...done,
          exitCode: done.isFailed ? 1 : 0,
          artifacts,
          skipped: archive.skipped,
          ms: performance.now() - began,
          ranIn: "remote",
        };
      } catch (error) {
        if (!signal.aborted) throw error;
        const cut = [run.signal.aborted ? "ended by its caller" : `ended after ${run.limits.wallMs} ms`];
        return {
          exitCode: null,
          stdout: "",
          stderr: "",
          artifacts: [],
          cut,
          skipped: [],
          ms: performance.now() - began,
          ranIn: "remote",
        };
      } finally {
        await fetch(`${apiUrl}/sandboxes/${box.id}`, { method: "DELETE", headers: key }).catch(() => undefined);
      }
    },
  };
}

async function created(
  apiUrl: string,
  key: Readonly<Record<string, string>>,
  options: E2bOptions,
  run: BoxOptions,
): Promise<Box> {
  const body = JSON.stringify({
    templateID: options.template ?? "code-interpreter-v1",
    timeout: Math.ceil(run.limits.wallMs / 1_000) + 10,
    allow_internet_access: false,
  });
  const headers = { ...key, "content-type": "application/json" };
  const answer = await fetch(`${apiUrl}/sandboxes`, { method: "POST", headers, body, signal: run.signal }).catch(
    unreachable,
  );
  const text = await limited(answer, ANSWER_BYTES);
  if (!answer.ok) throw failed(`${answer.status} ${text.slice(0, 300)}`);
  const made = JSON.parse(text) as {
    readonly sandboxID: string;
    readonly domain?: string | null;
    readonly envdAccessToken?: string;
  };
  if (!/^[\w-]{1,128}$/.test(made.sandboxID)) throw failed("an id of a sandbox that is none");
  const urlOf = options.urlOf ?? ((port, id, domain) => `https://${port}-${id}.${domain}`);
  return {
    id: made.sandboxID,
    url: urlOf(CODE_PORT, made.sandboxID, made.domain ?? "e2b.app"),
    token: made.envdAccessToken ?? null,
  };
}

/** Runs code in the box; what it prints comes as one JSON object a line. */
async function execute(
  box: Box,
  language: string,
  code: string,
  run: BoxOptions,
  signal: AbortSignal,
): Promise<Executed> {
  const headers = { "content-type": "application/json", ...(box.token !== null && { "x-access-token": box.token }) };
  const body = JSON.stringify({ code, language, env_vars: run.env });
  const answer = await fetch(`${box.url}/execute`, { method: "POST", headers, body, signal }).catch(unreachable);
  if (!answer.ok || answer.body === null)
    throw failed(`${answer.status} ${(await limited(answer, ANSWER_BYTES)).slice(0, 300)}`);
  const out = { stdout: "", stderr: "" };
  const cut = new Set<string>();
  let isFailed = false;
  const add = (to: keyof typeof out, text: string): void => {
    const room = run.limits.outputBytes - out[to].length;
    out[to] += text.slice(0, room);
    if (text.length > room)
      cut.add(
        `${to === "stdout" ? "standard output" : "standard error"}: ${run.limits.outputBytes} characters are kept`,
      );
  };
  for await (const line of linesOf(answer.body, run.limits.outputBytes * 2 + ANSWER_BYTES)) {
    const part = JSON.parse(line) as {
      readonly type: string;
      readonly text?: string;
      readonly name?: string;
      readonly value?: string;
      readonly traceback?: string;
    };
    if (part.type === "stdout" || part.type === "stderr") add(part.type, part.text ?? "");
    if (part.type !== "error") continue;
    isFailed = true;
    add("stderr", part.traceback ?? `${part.name}: ${part.value}\n`);
  }
  return { ...out, isFailed, cut: [...cut] };
}

async function* linesOf(body: ReadableStream<Uint8Array>, lineCharsMax: number): AsyncGenerator<string> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > lineCharsMax) throw failed(`a line of more than ${lineCharsMax} characters`);
    yield* lines.filter((line) => line.trim() !== "");
  }
  if (rest.trim() !== "") yield rest;
}

async function limited(answer: Response, bytesMax: number): Promise<string> {
  let text = "";
  for await (const part of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.length > bytesMax) throw failed("an answer that does not end");
  }
  return text;
}

function unreachable(error: unknown): never {
  if (error instanceof Error && error.name === "AbortError") throw error;
  throw failed(error instanceof Error ? error.message : String(error));
}

function failed(text: string): PawlError {
  return new PawlError("SANDBOX_FAILED", `e2b: ${text}. Look at the API's address, the key and the template.`);
}

function unpacking(files: readonly SandboxFile[]): string {
  const archive = packed(files).toString("base64");
  return `import base64, io, os, tarfile\nos.makedirs("${FOLDER}", exist_ok=True)\ntarfile.open(fileobj=io.BytesIO(base64.b64decode("${archive}"))).extractall("${FOLDER}")`;
}

const PACKING = `import base64, io, tarfile
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive: archive.add("${FOLDER}", ".")
print(base64.b64encode(packed.getvalue()).decode())`;
