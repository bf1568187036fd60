import type {
  AssistantPart,
  Effect,
  EffectCounts,
  EffectStatus,
  EndStatus,
  ErrorRecord,
  JsonValue,
  PlanItem,
  StopReason,
  Usage,
  WaitFor,
} from "../../api/types.ts";

// What the conversation shows, in the order in which it began. An entry is replaced, never changed, when more is known.

/** A value that did not come with its event; the run's values have it under this hash. */
export interface LargeRef {
  readonly hash: string;
  readonly bytes: number;
}

interface Began {
  readonly id: string;
  readonly seq: number;
  readonly at: number;
}
interface Call extends Began {
  readonly callId: string;
  readonly endedAt: number | null;
}

export interface Attempt {
  readonly attempt: number;
  readonly endpoint: string;
  readonly error: ErrorRecord | null;
  readonly costNanoUsd: number | null;
  readonly assumed: boolean;
}

export interface ModelEntry extends Call {
  readonly type: "model";
  readonly route: string;
  readonly model: string | null;
  /** Who answered in the agent's place; null = a model did. */
  readonly person: string | null;
  readonly attempt: number;
  readonly attempts: readonly Attempt[];
  readonly parts: readonly AssistantPart[];
  readonly largeMessage: LargeRef | null;
  readonly usage: Usage | null;
  readonly costNanoUsd: number | null;
  readonly inherited: boolean;
  readonly finish: string | null;
  readonly ttftMs: number | null;
  readonly reserved: { readonly tokens: number; readonly costNanoUsd: number | null } | null;
  readonly error: ErrorRecord | null;
}

export interface ApprovalState {
  readonly approvalId: string;
  readonly question: string;
  readonly askedAt: number;
  readonly expiresAt: number | null;
  readonly hasSchema: boolean;
  readonly decision: "approve" | "reject" | "answer" | null;
  readonly by: string | null;
  readonly reason: string | null;
  readonly isEdited: boolean;
  /** Set where the run ended before anybody decided. */
  readonly closedBy: EndStatus | null;
}

export interface ToolEntry extends Call {
  readonly type: "tool";
  readonly tool: string;
  readonly version: string;
  readonly effect: Effect | null;
  readonly key: string | null;
  /** `never`: the run ended before it could start. */
  readonly status: EffectStatus | "called" | "never";
  readonly input: JsonValue;
  readonly largeInput: LargeRef | null;
  /** What the agent asked for, where a person approved other arguments. */
  readonly asked: JsonValue;
  readonly output: JsonValue;
  readonly largeOutput: LargeRef | null;
  readonly hasOutput: boolean;
  readonly error: ErrorRecord | null;
  readonly attempt: number;
  readonly rules: readonly string[];
  readonly why: string | null;
  readonly approval: ApprovalState | null;
  readonly via: string | null;
  readonly retracted: string | null;
  readonly inherited: boolean;
}
/** A plain question to a person. */
export interface AskEntry extends Call {
  readonly type: "ask";
  readonly approval: ApprovalState;
}
export interface ChildEntry extends Call {
  readonly type: "child";
  readonly childRunId: string;
  readonly runnable: string;
  readonly status: EndStatus | null;
  readonly costNanoUsd: number | null;
  readonly error: ErrorRecord | null;
}
export interface StepEntry extends Call {
  readonly type: "step";
  readonly name: string;
  readonly error: ErrorRecord | null;
}
export interface WaitEntry extends Call {
  readonly type: "wait";
  readonly wait: WaitFor;
}
/** A worker died and another went on: what was found open, and what became of it. */
export interface SeamEntry extends Began {
  readonly type: "seam";
  readonly from: string;
  readonly to: string;
  readonly gapMs: number;
  /** Calls that were under way and are not settled yet. */
  readonly open: readonly string[];
  readonly outcomes: readonly string[];
}
export interface NoteEntry extends Began {
  readonly type: "note";
  readonly tone: "none" | "wait" | "bad" | "odd" | "ok";
  readonly icon:
    | "message"
    | "guard"
    | "fold"
    | "plan"
    | "coin"
    | "pause"
    | "play"
    | "stop"
    | "warn"
    | "link"
    | "person";
  readonly title: string;
  readonly text: string;
  readonly plan?: readonly PlanItem[];
}
export interface TurnEndEntry extends Began {
  readonly type: "turn-end";
  readonly turn: number;
}
export interface EndEntry extends Began {
  readonly type: "end";
  readonly status: EndStatus;
  readonly stopReason: StopReason | null;
  readonly output: JsonValue;
  readonly largeOutput: LargeRef | null;
  /** Untrusted things that the answer rests on; null = none. */
  readonly restsOn: readonly string[] | null;
  readonly strangeLinks: readonly string[];
  readonly error: ErrorRecord | null;
  readonly reason: string | null;
  readonly effects: EffectCounts;
  /** Calls that a person rejected. */
  readonly rejected: number;
  readonly turns: number;
}

export type Entry =
  | ModelEntry
  | ToolEntry
  | AskEntry
  | ChildEntry
  | StepEntry
  | WaitEntry
  | SeamEntry
  | NoteEntry
  | TurnEndEntry
  | EndEntry;

/** Entries of one turn. The last one has not ended yet. */
export interface TurnGroup {
  readonly turn: number;
  readonly isEnded: boolean;
  readonly entries: readonly Entry[];
}

/** Splits at the ends of turns. What stands before the first known end belongs to that turn. */
export function turnsOf(entries: readonly Entry[]): readonly TurnGroup[] {
  const groups: TurnGroup[] = [];
  let open: Entry[] = [];
  let last = 0;
  for (const entry of entries) {
    if (entry.type !== "turn-end") {
      open.push(entry);
      continue;
    }
    groups.push({ turn: entry.turn, isEnded: true, entries: open });
    last = entry.turn;
    open = [];
  }
  if (open.length > 0) groups.push({ turn: last + 1, isEnded: false, entries: open });
  return groups;
}
