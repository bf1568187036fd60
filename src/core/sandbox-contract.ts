/** What can be kept apart. */
export const isolations = ["files", "network", "environment", "processes", "memory", "cpu", "syscalls"] as const;
export type Isolation = (typeof isolations)[number];

/** What a sandbox really enforces, found by a probe when it starts, never assumed. */
export interface SandboxReport {
  /** `bubblewrap`, `quickjs-wasi`, `just-bash`, `e2b`, `runc`, `none`. */
  readonly engine: string;
  readonly enforces: Readonly<Record<Isolation, boolean>>;
  /** What an operator should know: why something is not enforced. */
  readonly notes: readonly string[];
}
export interface SandboxLimits {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Of one process, and of all together where a cgroup can be made. */
  readonly memoryBytes: number;
  readonly processes: number;
  /** Of standard output and of standard error, each; what comes after is cut and said. */
  readonly outputBytes: number;
  /** Of all files in the box together, and of all artifacts. */
  readonly fileBytes: number;
}
export interface SandboxFile {
  /** Relative, with `/`; no `..`, no empty part. */
  readonly path: string;
  readonly bytes: Uint8Array;
}
export interface SandboxResult {
  /** null = killed. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Regular files that the code left or changed in its folder. */
  readonly artifacts: readonly SandboxFile[];
  /** What was cut or killed, in words; empty when nothing was. */
  readonly cut: readonly string[];
  readonly ms: number;
  readonly report: SandboxReport;
}
export const codeKinds = ["python", "javascript", "shell"] as const;
export type CodeKind = (typeof codeKinds)[number];

export interface Sandbox {
  /** By kind of code; a kind that is not there is refused, never run elsewhere. */
  readonly reports: Readonly<Partial<Record<CodeKind, SandboxReport>>>;
  /**
   * @throws SANDBOX_MISSING no engine for this kind · SANDBOX_INPUT_INVALID a file name or size · SANDBOX_FAILED the
   * engine, not the code
   */
  run(
    kind: CodeKind,
    code: string,
    files: readonly SandboxFile[],
    options: {
      readonly limits?: Partial<SandboxLimits>;
      /** Hosts that the code may reach, through a proxy that looks at every address; default none. */
      readonly hosts?: readonly string[];
      /** Asked about each host that `hosts` covers when it is reached: a part of a wildcard may be granted. */
      readonly mayReach?: (host: string) => boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<SandboxResult>;
  /** Ends pooled processes. Idempotent. */
  close(): Promise<void>;
}
