import type { SpanKind } from "../api/types.ts";
import type { IconName } from "../ui/icon.tsx";

interface KindLook {
  readonly icon: IconName;
  readonly tone: string;
  readonly text: string;
  /** A point in time, drawn as one. */
  readonly isPoint?: true;
  /** Nothing works meanwhile: drawn as a thin line. */
  readonly isIdle?: true;
}

const looks: { readonly [kind in SpanKind]: KindLook } = {
  run: { icon: "run", tone: "kind-run", text: "run" },
  turn: { icon: "turn", tone: "kind-quiet", text: "turn" },
  model: { icon: "model", tone: "kind-model", text: "model call" },
  attempt: { icon: "attempt", tone: "kind-quiet", text: "attempt" },
  tool: { icon: "tool", tone: "kind-tool", text: "tool call" },
  step: { icon: "step", tone: "kind-step", text: "step" },
  child: { icon: "child", tone: "kind-run", text: "child run" },
  ask: { icon: "person", tone: "kind-person", text: "question to a person", isIdle: true },
  wait: { icon: "wait", tone: "kind-quiet", text: "wait", isIdle: true },
  code: { icon: "code", tone: "kind-step", text: "code" },
  guard: { icon: "guard", tone: "kind-guard", text: "guard finding", isPoint: true },
  compaction: { icon: "fold", tone: "kind-quiet", text: "compaction", isPoint: true },
  plan: { icon: "plan", tone: "kind-quiet", text: "plan", isPoint: true },
  message: { icon: "message", tone: "kind-person", text: "from outside", isPoint: true },
  takeover: { icon: "takeover", tone: "kind-guard", text: "takeover", isPoint: true },
  park: { icon: "pause", tone: "kind-quiet", text: "parked", isIdle: true },
  blocked: { icon: "warn", tone: "kind-guard", text: "blocked" },
};

export function kindLook(kind: SpanKind): KindLook {
  return looks[kind];
}
