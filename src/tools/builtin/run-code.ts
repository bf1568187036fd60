import { z } from "zod";
import { notApplied, PawlError } from "../../core/errors.ts";
import { isJsonObject, type JsonValue } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import {
  type CodeKind,
  codeKinds,
  type Isolation,
  isolations,
  type Sandbox,
  type SandboxFile,
  type SandboxLimits,
  type SandboxResult,
} from "../../core/sandbox-contract.ts";
import type { ToolContext, ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";

export interface RunCodeOptions {
  /** Of `sandbox()` in pawl/sandbox. */
  readonly sandbox: Sandbox;
  /** Default: every kind that the sandbox has. */
  readonly kinds?: readonly CodeKind[];
  /** Hosts that the code may reach, in a sandbox that has a proxy: then each call is `once`. Default none. */
  readonly hosts?: readonly string[];
  readonly limits?: Partial<SandboxLimits>;
}

const fileSchema = z.object({
  path: z.string().min(1).max(255).describe("Relative, as data/in.csv"),
  text: z.string().max(limits.toolFileBytes).optional().describe("Its content"),
  artifact: z.string().max(128).optional().describe("Or an artifact of an earlier call, by its name"),
});
const said: Readonly<Record<CodeKind, string>> = {
  python: "Python",
  javascript: "JavaScript",
  shell: "shell",
};

/**
 * The tool `run_code`: runs code in a sandbox. Files that it leaves in its folder are kept with the run as artifacts, which
 * a later call can take. Without hosts the code reaches nothing, so a call is `pure`.
 * @throws OPTION_INVALID the sandbox does not have a kind that was asked for, or none at all
 */
export function runCode(options: RunCodeOptions): ToolDefinition {
  const { sandbox, hosts = [] } = options;
  const [first, ...others] = options.kinds ?? codeKinds.filter((kind) => sandbox.reports[kind] !== undefined);
  if (first === undefined || [first, ...others].some((kind) => sandbox.reports[kind] === undefined))
    throw new PawlError(
      "OPTION_INVALID",
      `run_code: the sandbox runs ${Object.keys(sandbox.reports).join(", ") || "nothing here"}; asked for was ${options.kinds?.join(", ") ?? "any kind"}. \`pawl doctor\` says why.`,
    );
  const kinds = [first, ...others] as const;
  const reach = hosts.length === 0 ? "It has no network" : `Its network reaches ${hosts.join(", ")} only`;
  const made = tool({
    name: "run_code",
    version: "1",
    description: `Runs ${kinds.map((kind) => said[kind]).join(", ")} code in a sandbox, from an empty folder. ${reach}. Print what you want to see; files that are left in the folder are kept as artifacts.`,
    inputSchema: z.object({
      kind: z.enum(kinds),
      code: z.string().min(1).max(limits.codeChars),
      files: z.array(fileSchema).max(limits.codeFiles).default([]).describe("Files for the folder"),
    }),
    effect: hosts.length === 0 ? "pure" : "once",
    ...(hosts.length === 0 && { flow: { sinks: { code: "content", files: "content" } } }),
    capabilities: hosts.map((host) => `net:${host}`),
    timeLimitMs: (options.limits?.wallMs ?? limits.sandboxWallMs) + limits.sandboxWallMs,
    execute: async ({ kind, code, files }, ctx) => {
      const given = await Promise.all(files.map((file) => bytesOf(file, ctx)));
      const mayReach = (host: string): boolean => ctx.may(`net:${host}`);
      const bounds = options.limits === undefined ? {} : { limits: options.limits };
      const result = await sandbox
        .run(kind, code, given, { ...bounds, hosts, mayReach, signal: ctx.signal })
        .catch(forModel);
      return shown(result, ctx);
    },
  });
  const isolation = (args: JsonValue): readonly Isolation[] => {
    const kind = kinds.find((one) => isJsonObject(args) && args["kind"] === one);
    const enforces = kind === undefined ? undefined : sandbox.reports[kind]?.enforces;
    return isolations.filter((what) => enforces?.[what] === true);
  };
  return { ...made, isolation };
}

async function bytesOf(file: z.output<typeof fileSchema>, ctx: ToolContext): Promise<SandboxFile> {
  const { path, text, artifact } = file;
  if ((text === undefined) === (artifact === undefined)) throw notApplied(`file "${path}": give text or artifact.`);
  if (artifact === undefined) return { path, bytes: Buffer.from(text ?? "") };
  const bytes = await ctx.readArtifact(artifact);
  if (bytes === null) throw notApplied(`there is no artifact "${artifact}" in this run.`);
  return { path, bytes };
}

/** What no repeat would change is said once. */
function forModel(error: unknown): never {
  if (PawlError.is(error, "SANDBOX_INPUT_INVALID") || PawlError.is(error, "SANDBOX_MISSING"))
    throw notApplied(error.message);
  throw error;
}

async function shown(result: SandboxResult, ctx: ToolContext): Promise<object> {
  const { exitCode, stdout, stderr, artifacts, cut, ms, report } = result;
  const kept = artifacts.slice(0, limits.codeFiles);
  const names = await Promise.all(kept.map(({ bytes }) => ctx.putArtifact(bytes)));
  const files = kept.map(({ path, bytes }, i) => ({ path, bytes: bytes.byteLength, artifact: names[i] ?? "" }));
  const left = artifacts.length - kept.length;
  const notes = [...cut, ...(left > 0 ? [`${left} files more than ${limits.codeFiles} were not kept`] : [])];
  return {
    exitCode,
    ...(files.length > 0 && { files }),
    ...(notes.length > 0 && { cut: notes }),
    stdout: ends(stdout),
    stderr: ends(stderr),
    ms,
    sandbox: { engine: report.engine, enforces: report.enforces },
  };
}

/** The beginning and the end of what was printed. */
function ends(text: string): string {
  const half = limits.partChars / 4;
  if (text.length <= 2 * half) return text;
  const left = text.length - 2 * half;
  return `${text.slice(0, half)}\n[${left} characters left out]\n${text.slice(-half)}`.toWellFormed();
}
