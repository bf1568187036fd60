// The one job that both sides do: a model reads the parts of a text, one tool call each, and then says that it is done.

export const INSTRUCTIONS =
  "Read the parts of the report one after the other with read_part, then say that you are done.";
export const QUESTION = "Read all parts.";
export const TOOL_NAME = "read_part";
export const TOOL_DESCRIPTION = "Reads one part of the report.";
export const OUTPUT_TOKENS = 4_096;
const RESULT_CHARS = 1_024;
const words = "the quick report says that every part of a run is written down before the next one may begin".split(" ");

/** 1 KB of plain words, another text for each part. */
export function partText(part: number): string {
  const list = [`Part ${part}.`];
  for (let chars = 0, i = part; chars < RESULT_CHARS; i += 1 + (i % 3)) {
    const word = words[i % words.length] ?? "";
    list.push(word);
    chars += word.length + 1;
  }
  return list.join(" ").slice(0, RESULT_CHARS);
}

/** The model's name says how many parts there are. */
export function modelNameFor(steps: number): string {
  return `reader-${steps}`;
}

export function stepsOf(modelName: string): number {
  return Number(modelName.slice("reader-".length));
}

/** `streamed`: deltas arrive one by one on both sides. `unstreamed`: each answer comes in one piece. */
export type Mode = "unstreamed" | "streamed";
export type Side = "pawl" | "bare";

/** Pawl's settings that are compared; bare AI SDK has none of them. */
export interface PawlSettings {
  /** Effects with a `reconcile` cost what `once` costs. */
  readonly effect: "pure" | "idempotent" | "once";
  /** Where SQLite runs. */
  readonly thread: "auto" | "always" | "never";
}

/** What a client process is asked to measure. */
export interface Load {
  readonly mode: Mode;
  /** Tool calls of one run. */
  readonly steps: number;
  readonly runs: number;
  readonly atOnce: number;
}

export interface Measured {
  readonly stepsPerS: number;
  readonly cpuMsPerStep: number;
  /** Beyond the sampling interval. */
  readonly lagP99Ms: number;
  readonly heapMb: number;
}

/** Does `runs` jobs, `atOnce` at a time. */
export async function spread(load: Load, job: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < load.runs; index = next++) await job(index);
  };
  await Promise.all(Array.from({ length: Math.min(load.atOnce, load.runs) }, work));
}
