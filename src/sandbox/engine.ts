import type { CodeKind, SandboxFile, SandboxLimits } from "../core/sandbox-contract.ts";

/** What a run in a box came to, before the report is put beside it. */
export interface BoxRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly artifacts: readonly SandboxFile[];
  readonly cut: readonly string[];
  /** Files that were left and are no artifacts, in words. */
  readonly skipped: readonly string[];
  readonly ms: number;
  readonly ranIn: string;
}

export interface BoxOptions {
  readonly limits: SandboxLimits;
  readonly signal: AbortSignal;
  /** The whole environment beside PATH, HOME, LANG and TMPDIR. */
  readonly env: Readonly<Record<string, string>>;
  /** Path of a Unix socket that speaks the protocol of HTTP proxies: the only way out. null = there is none. */
  readonly proxy: string | null;
}

/** One way to run code apart. What it claims is what the probe saw. */
export interface BoxEngine {
  readonly name: string;
  readonly kinds: readonly CodeKind[];
  /** Can code be given a way out? */
  readonly hasEgress: boolean;
  /** Why it cannot be used here, in words with the next step; null = it can be tried. */
  missing(): Promise<string | null>;
  /** @throws SANDBOX_FAILED the engine, never the code */
  run(kind: CodeKind, code: string, files: readonly SandboxFile[], options: BoxOptions): Promise<BoxRun>;
  close?(): Promise<void>;
}
