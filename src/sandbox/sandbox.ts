import { PawlError } from "../core/errors.ts";
import { limits } from "../core/limits.ts";
import {
  codeKinds,
  isolations,
  type CodeKind,
  type Isolation,
  type Sandbox,
  type SandboxLimits,
  type SandboxReport,
} from "../core/sandbox-contract.ts";
import { checkFiles } from "./archive.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { openEgress, type Egress, type EgressRules } from "./egress.ts";
import type { BoxEngine } from "./engine.ts";
import { justBash, quickJs } from "./interpreted.ts";
import { probed } from "./probe.ts";

export interface SandboxOptions {
  /** In order of preference; the first that this machine has and that fulfils `requires` runs a kind of code. */
  readonly engines?: readonly BoxEngine[];
  /** What must really be kept apart; default all of it but memory and CPU of all processes together. */
  readonly requires?: readonly Isolation[];
  /** What code gets where a call does not say; a call may ask for less, never for more. */
  readonly limits?: Partial<SandboxLimits>;
  /** How the hosts that a run is given are reached: ports, name server. */
  readonly egress?: Omit<EgressRules, "hosts" | "mayReach">;
}

const standard: SandboxLimits = {
  wallMs: limits.sandboxWallMs,
  cpuMs: limits.sandboxCpuMs,
  memoryBytes: limits.sandboxMemoryBytes,
  processes: limits.sandboxProcesses,
  outputBytes: limits.sandboxOutputBytes,
  fileBytes: limits.sandboxFileBytes,
};

interface Chosen {
  readonly engine: BoxEngine;
  readonly report: SandboxReport;
}

/**
 * Finds out, by trying, what this machine can keep apart, and gives a sandbox that runs each kind of code by the first
 * engine that keeps apart what is required. Takes one to three seconds. A kind without one is refused, never run elsewhere.
 * @throws OPTION_INVALID a limit or an isolation that does not exist
 */
export async function sandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const most = checkedLimits({ ...standard, ...options.limits });
  const requires = options.requires ?? isolations;
  for (const what of requires)
    if (!isolations.includes(what))
      throw new PawlError(
        "OPTION_INVALID",
        `sandbox: requires ${JSON.stringify(what)}. There are: ${isolations.join(", ")}.`,
      );
  const engines = options.engines ?? [bubblewrap, quickJs, justBash];
  const { chosen, reasons } = await choice(engines, requires);
  const reports = Object.fromEntries([...chosen].map(([kind, { report }]) => [kind, report]));
  return {
    reports,
    async run(kind, code, files, { limits: asked = {}, hosts = [], mayReach = () => true, signal }) {
      const found = chosen.get(kind);
      if (found === undefined) throw missing(kind, reasons);
      checkFiles(files, most.fileBytes);
      const bounds = lesser(most, checkedLimits({ ...most, ...asked }));
      if (hosts.length > 0 && !found.engine.hasEgress)
        throw new PawlError(
          "OPTION_INVALID",
          `sandbox: ${kind} code in ${found.engine.name} has no network to give hosts of. Use python or shell in bubblewrap.`,
        );
      const egress = hosts.length === 0 ? null : await openEgress({ ...options.egress, hosts, mayReach });
      const box = await inBox(egress, () =>
        found.engine.run(kind, code, files, { limits: bounds, signal, env: {}, proxy: egress?.socket ?? null }),
      );
      const { exitCode, stdout, stderr, artifacts, ms } = box;
      const skipped = box.skipped.map((what) => `not kept: ${what}`);
      const refused = (egress?.refused ?? []).map((what) => `not reached: ${what}`);
      const cut = [...box.cut, ...signalled(exitCode), ...skipped, ...refused];
      return {
        exitCode: exitCode !== null && exitCode > SIGNALLED ? null : exitCode,
        stdout,
        stderr,
        artifacts,
        cut,
        ms,
        report: found.report,
      };
    },
    async close() {
      for (const engine of engines) await engine.close?.();
    },
  };
}

/** The first engine of each kind that keeps apart what is required, and why others do not do. */
async function choice(
  engines: readonly BoxEngine[],
  requires: readonly Isolation[],
): Promise<{ readonly chosen: ReadonlyMap<CodeKind, Chosen>; readonly reasons: readonly string[] }> {
  const reasons: string[] = [];
  const chosen = new Map<CodeKind, Chosen>();
  const known = new Map<string, Promise<SandboxReport>>();
  for (const engine of engines) {
    for (const kind of engine.kinds) {
      if (chosen.has(kind)) continue;
      const report = await reportOf(engine, kind, known);
      const lacking = typeof report === "string" ? [] : requires.filter((what) => !report.enforces[what]);
      if (typeof report !== "string" && lacking.length === 0) chosen.set(kind, { engine, report });
      else
        reasons.push(
          `${engine.name} (${kind}): ${typeof report === "string" ? report : `does not keep apart: ${lacking.join(", ")}`}`,
        );
    }
  }
  return { chosen, reasons };
}

async function inBox<Run>(egress: Egress | null, run: () => Promise<Run>): Promise<Run> {
  try {
    return await run();
  } finally {
    await egress?.close();
  }
}

/** What each engine keeps apart here, or why it cannot be used: for an operator. */
export async function sandboxSurvey(
  engines: readonly BoxEngine[] = [bubblewrap, quickJs, justBash],
): Promise<
  readonly { readonly engine: string; readonly kinds: readonly CodeKind[]; readonly report: SandboxReport | string }[]
> {
  const survey = engines.map(async (engine) => ({
    engine: engine.name,
    kinds: engine.kinds,
    report: await reportOf(engine, engine.kinds[0] ?? "shell", new Map()),
  }));
  const found = await Promise.all(survey);
  for (const engine of engines) await engine.close?.();
  return found;
}

/** Both kinds of one engine run in the same box: it is tried once. */
function reportOf(
  engine: BoxEngine,
  kind: CodeKind,
  known: Map<string, Promise<SandboxReport>>,
): Promise<SandboxReport | string> {
  const key = `${engine.name} ${kind === "javascript" ? kind : "shell"}`;
  return engine.missing().then(async (reason) => {
    if (reason !== null) return reason;
    const report = known.get(key) ?? probed(engine, kind);
    known.set(key, report);
    return report.catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  });
}

function missing(kind: CodeKind, reasons: readonly string[]): PawlError {
  const allowed = codeKinds.includes(kind) ? "" : ` There are: ${codeKinds.join(", ")}.`;
  const tried = reasons.filter((reason) => reason.includes(`(${kind})`)).join("; ");
  return new PawlError(
    "SANDBOX_MISSING",
    `no sandbox for ${JSON.stringify(kind)} code.${allowed}${tried === "" ? "" : ` Tried: ${tried}.`} Code is never run without one. On Debian: apt-get install bubblewrap; \`pawl doctor\` says what is there.`,
  );
}

const SIGNALLED = 128;
const reasonsOfSignals: Readonly<Record<number, string>> = {
  137: "killed: it passed its memory or its CPU time",
  152: "killed: it passed its CPU time",
  153: "killed: a file passed its size",
  159: "killed: a system call that is not allowed",
};

function signalled(exitCode: number | null): readonly string[] {
  if (exitCode === null || exitCode <= SIGNALLED) return [];
  return [reasonsOfSignals[exitCode] ?? `ended by signal ${exitCode - SIGNALLED}`];
}

function checkedLimits(given: SandboxLimits): SandboxLimits {
  for (const [name, value] of Object.entries(given) as readonly (readonly [string, number])[]) {
    if (!Object.hasOwn(standard, name) || !Number.isSafeInteger(value) || value < 1)
      throw new PawlError(
        "OPTION_INVALID",
        `sandbox: limits.${name} is ${String(value)}. Whole numbers from 1: ${Object.keys(standard).join(", ")}.`,
      );
  }
  return given;
}

function lesser(one: SandboxLimits, other: SandboxLimits): SandboxLimits {
  const names = Object.keys(standard) as readonly (keyof SandboxLimits)[];
  return Object.fromEntries(names.map((name) => [name, Math.min(one[name], other[name])])) as unknown as SandboxLimits;
}
