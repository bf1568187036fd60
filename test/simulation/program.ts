import type { JsonValue } from "../../src/core/json.ts";

// Programs that a simulated run executes: data, made from a seed, so that what a run must answer can be worked out
// without any engine.

export type Op =
  | {
      readonly op: "tool";
      readonly tool: ToolName;
      readonly n: number;
      readonly rule?: ToolRule;
      readonly quorum?: number;
    }
  | {
      readonly op: "step";
      readonly effect: "pure" | "idempotent" | "once";
      readonly n: number;
      readonly chars?: number;
    }
  | { readonly op: "all"; readonly branches: readonly (readonly Op[])[] }
  | { readonly op: "race"; readonly branches: readonly (readonly Op[])[] }
  | { readonly op: "child"; readonly program: Program; readonly tokens?: number }
  | { readonly op: "ask"; readonly expiresMs?: number; readonly quorum?: number }
  | { readonly op: "signal"; readonly name: string; readonly withinMs?: number }
  | { readonly op: "sleep"; readonly ms: number }
  | { readonly op: "model"; readonly context: "main" | "side"; readonly n: number }
  | { readonly op: "mute" }
  | { readonly op: "note"; readonly n: number }
  | { readonly op: "chance"; readonly n: number }
  | { readonly op: "throw" };
/** A person is asked; a rule forbids it; the tool itself says that it did nothing. */
export type ToolRule = "ask" | "forbid" | "refuse";
export type ToolName = "look" | "put" | "pay" | "mail";

/** What a run is asked to do, turn by turn. */
export interface Program {
  readonly turns: readonly (readonly Op[])[];
}

/** What a run answers. `luck`: something decided it that is not the program's, such as a cancelled child. */
export interface Answer {
  readonly sum: number;
  readonly luck: number;
}

export const noAnswer: Answer = { sum: 17, luck: 0 };

/** One more result in the sum; order counts. */
export function mixed(answer: Answer, value: number): Answer {
  return { ...answer, sum: (Math.imul(answer.sum, 31) + value) | 0 };
}

export function lucky(answer: Answer): Answer {
  return { ...answer, luck: answer.luck + 1 };
}

/** What tool, step or model answers to `n`. */
export function resultOf(n: number): number {
  return (n * 7 + 3) % 1_009;
}

/** The answer of an unharmed run, worked out from the program alone. @returns null for one whose body throws */
export function answerOf(program: Program): Answer | null {
  let answer = noAnswer;
  for (const turn of program.turns) {
    const next = answerOfOps(turn, answer);
    if (next === null) return null;
    answer = next;
  }
  return answer;
}

function answerOfOps(ops: readonly Op[], before: Answer): Answer | null {
  let answer = before;
  for (const op of ops) {
    if (op.op === "throw") return null;
    answer = mixed(answer, valueOf(op));
  }
  return answer;
}

/** What one operation adds to the sum. Races, people and time add the same however they end. */
function valueOf(op: Op): number {
  switch (op.op) {
    case "tool":
      return op.rule === undefined ? resultOf(op.n) : 1;
    case "step":
      return resultOf(op.n);
    case "all":
      return op.branches.reduce((sum, branch) => mixed(sum, answerOfOps(branch, noAnswer)?.sum ?? 0), noAnswer).sum;
    case "child":
      return answerOf(op.program)?.sum ?? 2;
    default:
      return 1;
  }
}

export interface ProgramSize {
  /** Operations that are still to be given out. */
  ops: number;
  readonly depth: number;
  readonly hasModels: boolean;
}

/** A program made from random numbers. */
export function randomProgram(random: () => number): Program {
  const hasModels = random() < 0.4;
  if (random() < 0.12) return longProgram(random);
  if (random() < 0.03) return wideProgram(random);
  const size: ProgramSize = { ops: 2 + Math.floor(random() * 12), depth: 0, hasModels };
  return new ProgramMaker(random).program(size, "s");
}

/** Many short turns: longer than the distance between two stored folds. */
function longProgram(random: () => number): Program {
  const turns = 20 + Math.floor(random() * 40);
  const maker = new ProgramMaker(random);
  return { turns: Array.from({ length: turns }, () => maker.shortOps()) };
}

/** More calls at once than one batch takes. */
function wideProgram(random: () => number): Program {
  const maker = new ProgramMaker(random);
  const branches = Array.from({ length: 50 + Math.floor(random() * 60) }, () => maker.shortOps().slice(0, 1));
  return { turns: [[{ op: "all", branches }], maker.shortOps()] };
}

class ProgramMaker {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  program(size: ProgramSize, prefix: string): Program {
    const turns = 1 + Math.floor(this.#random() * 3);
    const made: (readonly Op[])[] = [];
    for (let i = 0; i < turns; i++) made.push(this.#ops(size, 1 + Math.floor(this.#random() * 5), prefix, false));
    if (this.#random() < 0.04) made.push([...(made.pop() ?? []), { op: "throw" }]);
    return { turns: made };
  }

  shortOps(): readonly Op[] {
    const n = this.#below(1_000);
    const roll = this.#random();
    if (roll < 0.5) return [{ op: "step", effect: "pure", n }];
    if (roll < 0.9) return [{ op: "tool", tool: this.#tool(), n }];
    return [
      { op: "tool", tool: "look", n },
      { op: "sleep", ms: 200 },
    ];
  }

  #ops(size: ProgramSize, count: number, prefix: string, isBranch: boolean): readonly Op[] {
    const ops: Op[] = [];
    for (let i = 0; i < count && size.ops > 0; i++) {
      size.ops--;
      ops.push(this.#op(size, prefix, isBranch));
    }
    return ops;
  }

  #op(size: ProgramSize, prefix: string, isBranch: boolean): Op {
    const roll = this.#random();
    const n = this.#below(1_000);
    if (roll < 0.32) return this.#toolOp(n);
    if (roll < 0.46) return this.#stepOp(n);
    if (roll < 0.56 && !isBranch) return { op: "all", branches: this.#branches(size, prefix) };
    if (roll < 0.63 && !isBranch) return { op: "race", branches: this.#branches(size, prefix) };
    if (roll < 0.73 && size.depth < 2) return this.#child(size, prefix);
    if (roll < 0.78) return this.#askOp();
    if (roll < 0.85) return this.#signal(prefix);
    if (roll < 0.9) return { op: "sleep", ms: 1 + this.#below(this.#random() < 0.5 ? 900 : 9_000) };
    const context = this.#random() < 0.3 ? "side" : "main";
    if (roll < 0.97 && size.hasModels) return { op: "model", context, n };
    if (size.hasModels && roll < 0.98) return { op: "mute" };
    return roll < 0.99 ? { op: "note", n } : { op: "chance", n };
  }

  #askOp(): Op {
    const op = { op: "ask", quorum: 1 + this.#below(2) } as const;
    return this.#random() < 0.6 ? op : { ...op, expiresMs: 200 + this.#below(8_000) };
  }

  #toolOp(n: number): Op {
    const op = { op: "tool", tool: this.#tool(), n } as const;
    const roll = this.#random();
    if (roll < 0.12) return { ...op, rule: "ask", quorum: 1 + this.#below(2) };
    if (roll < 0.2) return { ...op, rule: "refuse" };
    return roll < 0.24 ? { ...op, rule: "forbid" } : op;
  }

  #stepOp(n: number): Op {
    const effect = (["pure", "idempotent", "once"] as const)[this.#below(3)] ?? "pure";
    return this.#random() < 0.1 ? { op: "step", effect, n, chars: 20_000 } : { op: "step", effect, n };
  }

  #signal(prefix: string): Op {
    // few names: a signal that nobody waited for when it came is another wait's
    const name = `${prefix}${this.#below(2)}`;
    return this.#random() < 0.6 ? { op: "signal", name } : { op: "signal", name, withinMs: 100 + this.#below(6_000) };
  }

  #child(size: ProgramSize, prefix: string): Op {
    const child: ProgramSize = {
      ops: Math.min(size.ops, 1 + this.#below(4)),
      depth: size.depth + 1,
      hasModels: size.hasModels,
    };
    size.ops -= child.ops;
    const program = this.program(child, `${prefix}c`);
    return this.#random() < 0.5 || size.hasModels ? { op: "child", program, tokens: 20_000 } : { op: "child", program };
  }

  #branches(size: ProgramSize, prefix: string): readonly (readonly Op[])[] {
    const branches = 2 + this.#below(3);
    return Array.from({ length: branches }, () => this.#ops(size, 1 + this.#below(2), prefix, true));
  }

  #tool(): ToolName {
    return (["look", "put", "pay", "mail"] as const)[this.#below(4)] ?? "look";
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

export function asProgram(input: JsonValue): Program {
  return input as unknown as Program;
}
