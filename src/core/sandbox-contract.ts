/** What a sandbox really enforces, found by a probe when it starts, never assumed. */
export interface SandboxReport {
  readonly engine: string;
  readonly enforces: {
    readonly files: boolean;
    readonly network: boolean;
    readonly environment: boolean;
    readonly processes: boolean;
    readonly memory: boolean;
    readonly cpu: boolean;
    readonly syscalls: boolean;
  };
}
export interface SandboxLimits {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly memoryBytes: number;
  readonly processes: number;
  readonly outputBytes: number;
}
export interface SandboxFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}
export interface SandboxResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly artifacts: readonly SandboxFile[];
  /** What was cut or killed, in words; empty when nothing was. */
  readonly cut: readonly string[];
  readonly report: SandboxReport;
}
export interface Sandbox {
  readonly report: SandboxReport;
  run(
    kind: "python" | "javascript" | "shell",
    code: string,
    files: readonly SandboxFile[],
    options: { readonly limits: SandboxLimits; readonly signal: AbortSignal },
  ): Promise<SandboxResult>;
}
