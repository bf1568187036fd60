import type { Script, ScriptedTurn } from "../../src/testing/scripted-model.ts";
import { specialist, type Specialist, type SpecialistOptions } from "../../src/team/specialist.ts";
import { team, type Team, type TeamOptions } from "../../src/team/team.ts";

export function report(result: unknown, more: object = {}): ScriptedTurn {
  const base = { status: "done", result, evidence: [], confidence: 0.9, openQuestions: [] };
  return { text: JSON.stringify({ ...base, ...more }) };
}

interface PlannedTask {
  readonly id: string;
  readonly specialist: string;
  readonly needs?: readonly string[];
  readonly task?: string;
}

export function plan(...tasks: readonly PlannedTask[]): ScriptedTurn {
  return {
    toolCalls: [{ tool: "delegate", input: { tasks: tasks.map((one) => ({ task: `do ${one.id}`, ...one })) } }],
  };
}

/** A specialist whose model route is its name. */
export function expert(name: string, more: Partial<SpecialistOptions> = {}): Specialist {
  return specialist({ name, scope: `Only ${name}.`, instructions: "Do it.", model: name, ...more });
}

export function crew(specialists: TeamOptions["specialists"], more: Partial<TeamOptions> = {}): Team {
  return team({ name: "crew", supervisor: { model: "lead", instructions: "Lead." }, specialists, ...more });
}

export type Scripts = { readonly [route: string]: Script };
