import type { ErrorRecord } from "../core/errors.ts";
import type { ToolContext } from "../core/tool-contract.ts";

/** What code of an isolated tool is given beside its input: all that can be asked across processes. */
export type IsolatedContext = Omit<ToolContext, "may">;

const asked = ["secret", "putArtifact", "readArtifact"] as const;
export type Asked = (typeof asked)[number];

/** The parts of a context that are values. */
export type IsolatedFacts = Omit<IsolatedContext, Asked | "signal">;

/** To the child: its task, once; answers to what it asked; that its call is over. */
export type ToChild =
  | {
      readonly type: "task";
      readonly module: string;
      readonly name: string;
      readonly input: unknown;
      readonly facts: IsolatedFacts;
    }
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "refusal"; readonly id: number; readonly error: ErrorRecord }
  | { readonly type: "abort" };

export type FromChild =
  | { readonly type: "ask"; readonly id: number; readonly what: Asked; readonly value: never }
  | { readonly type: "returned"; readonly value: unknown }
  | { readonly type: "threw"; readonly error: ErrorRecord; readonly isNotApplied: boolean };
