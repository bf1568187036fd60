import type { RunStatus, SpanStatus } from "../api/types.ts";

type Tone = "run" | "ok" | "wait" | "bad" | "odd" | "none";
interface Look {
  readonly tone: Tone;
  readonly text: string;
  readonly isLive?: true;
}

const runLooks: { readonly [status in RunStatus]: Look } = {
  queued: { tone: "none", text: "Queued" },
  running: { tone: "run", text: "Running", isLive: true },
  sleeping: { tone: "none", text: "Sleeping" },
  awaiting_approval: { tone: "wait", text: "Needs review" },
  awaiting_signal: { tone: "none", text: "Awaits signal" },
  awaiting_child: { tone: "run", text: "Awaits child" },
  awaiting_budget: { tone: "wait", text: "Needs budget" },
  paused: { tone: "none", text: "Paused" },
  blocked: { tone: "bad", text: "Blocked" },
  completed: { tone: "ok", text: "Completed" },
  stopped: { tone: "wait", text: "Stopped" },
  failed: { tone: "bad", text: "Failed" },
  cancelled: { tone: "none", text: "Cancelled" },
};

export const runStatuses = Object.keys(runLooks) as readonly RunStatus[];

export function runStatusText(status: RunStatus): string {
  return runLooks[status].text;
}

const spanTones: { readonly [status in SpanStatus]: Tone } = {
  open: "run",
  waiting: "wait",
  ok: "ok",
  error: "bad",
  unknown: "odd",
  refused: "wait",
  cancelled: "none",
};

export function toneOfSpan(status: SpanStatus): string {
  return toneClass(spanTones[status]);
}

export function toneClass(tone: Tone): string {
  return tone === "none" ? "" : `tone-${tone}`;
}

/** Dot and word: colour is never the only sign. */
export function RunStatusText({ status }: { readonly status: RunStatus }) {
  const { tone, text, isLive } = runLooks[status];
  return (
    <span className={`inline-flex items-center gap-1.5 whitespace-nowrap ${toneClass(tone)}`}>
      <span className={`size-2 shrink-0 rounded-full bg-tone ${isLive === true ? "pulse" : ""}`} />
      <span>{text}</span>
    </span>
  );
}

export function Pill({
  tone = "none",
  children,
  title,
}: {
  readonly tone?: Tone | "accent";
  readonly children: React.ReactNode;
  readonly title?: string;
}) {
  return (
    <span
      title={title}
      className={`${tone === "none" ? "" : `tone-${tone}`} inline-flex h-5 items-center gap-1 rounded-sm bg-tone-wash px-1.5 text-2xs font-medium whitespace-nowrap text-tone`}
    >
      {children}
    </span>
  );
}

export function RunStatusPill({ status }: { readonly status: RunStatus }) {
  const { tone, text, isLive } = runLooks[status];
  return (
    <Pill tone={tone}>
      <span className={`size-1.5 rounded-full bg-current ${isLive === true ? "pulse" : ""}`} />
      {text}
    </Pill>
  );
}
