import type { PlanItem } from "../core/plan-event.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import type { AssistantPart, Message } from "../core/message.ts";
import { tokensOf } from "../core/usage.ts";
import type { LiveDelta, ReadEvent, StreamEvent } from "../engine/run-events.ts";
import { callText, childText, observationText, refusalText } from "./observation.ts";
import { costText, countText, durationText } from "./figures.ts";
import { LiveLine } from "./live-line.ts";
import { columns, indented, isTerminal, oneLine, paint, plain, say } from "./terminal.ts";
import { waitText, type WaitSpeaker } from "./wait-text.ts";

type EventOf<T extends ReadEvent["type"]> = Extract<ReadEvent, { readonly type: T }>;

/** Shows a run as it happens: thought, action, observation, tokens, cost, time, and what it waits for. */
export interface RunView {
  show(event: StreamEvent): void;
  /** An event of before, which is not shown but may be spoken of. */
  recall(event: ReadEvent): void;
  /** Said between events; on standard error where the output is data. */
  remark(line: string): void;
  /** The last text of the model, which need not be said again. */
  readonly lastText: string;
  close(): void;
}

/** One event a line, as the journal has it; live text is left out, because it may be lost. */
export class JsonView implements RunView {
  readonly lastText = "";

  show(event: StreamEvent): void {
    if ("seq" in event) say(JSON.stringify(event));
  }

  recall(): void {}

  remark(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  close(): void {}
}

const CROSSED_LINES = 12;
const planMarks = { done: "✓", active: "▸", open: "○", dropped: "–" } as const;

/** Text for people: live on a terminal, plain lines on a pipe. */
export class TextView implements RunView {
  readonly #speaker: WaitSpeaker;
  readonly #line = new LiveLine();
  /** Live text of one attempt, and how much of it is on the screen. */
  #live = { key: "", text: "", shown: 0, hasReasoned: false };
  #isMidLine = false;
  readonly #tools = new Map<string, string>();
  readonly #planCalls = new Set<string>();
  /** Runnables of child runs. */
  readonly #children = new Map<string, string>();
  #said = "";

  constructor(speaker: WaitSpeaker) {
    this.#speaker = speaker;
  }

  get lastText(): string {
    return this.#said;
  }

  show(event: StreamEvent): void {
    if ("seq" in event) this.#event(event);
    else this.#delta(event);
  }

  recall(event: ReadEvent): void {
    if (event.type === "tool.called") this.#tools.set(event.callId, event.tool);
    if (event.type === "child.called") this.#children.set(event.childRunId, event.runnable);
  }

  remark(line: string): void {
    this.#print(line);
  }

  close(): void {
    this.#endLine();
    this.#line.clear();
  }

  #event(event: ReadEvent): void {
    switch (event.type) {
      case "model.called":
        this.#line.wait(event.attempt === 1 ? event.endpoint : `${event.endpoint}, attempt ${event.attempt}`);
        return;
      case "model.answered":
        return this.#answered(event);
      case "model.attempted":
        return this.#print(
          paint("yellow", `  ${event.endpoint} failed: ${event.error.code} ${plain(event.error.message)}`),
        );
      case "tool.called":
        return this.#called(event);
      case "tool.started":
        this.#line.wait(event.tool);
        return;
      case "tool.returned":
      case "tool.failed":
      case "tool.refused":
        return this.#observed(event);
      case "plan.updated":
        return this.#plan(event.items);
      case "step.started":
        this.#print(paint("cyan", `→ ${event.name}`) + (event.attempt > 1 ? ` (attempt ${event.attempt})` : ""));
        this.#line.wait(event.name);
        return;
      case "step.failed":
        return this.#print(paint("red", `← ${event.error.code} ${plain(event.error.message)}`));
      default:
        return this.#told(event);
    }
  }

  /** Everything that is said in one line. */
  #told(event: ReadEvent): void {
    switch (event.type) {
      case "child.called":
        this.#children.set(event.childRunId, event.runnable);
        return this.#print(`${paint("cyan", `→ ${event.runnable}`)} ${paint("dim", `run ${event.childRunId}`)}`);
      case "child.ended": {
        const who = this.#children.get(event.childRunId) ?? `run ${event.childRunId}`;
        const said = oneLine(childText(event), columns() - who.length - 4);
        return this.#print(`${paint(event.status === "completed" ? "green" : "red", "←")} ${who}: ${said}`);
      }
      case "context.compacted":
        return this.#print(paint("dim", `  older messages (seq ${event.fromSeq}-${event.toSeq}) became a summary`));
      case "task.planned":
        return this.#print(paint("dim", `  this task may use: ${event.tools.join(", ") || "no tool"}`));
      case "guard.flagged":
        return this.#print(
          paint(
            "yellow",
            `  ${event.rule}: ${event.action}${event.detail === undefined ? "" : ` (${plain(event.detail)})`}`,
          ),
        );
      case "budget.refused":
        return this.#print(
          paint(
            "yellow",
            `  the next call does not fit the budget: ${event.scope} left ${event.left}, needed ${event.needed}${event.until === undefined ? "" : `, until ${new Date(event.until).toISOString()}`}`,
          ),
        );
      case "effect.unknown": {
        const what = `${this.#tools.get(event.callId) ?? "call"} ${event.callId}`;
        return this.#print(paint("yellow", `? ${what}: outcome unknown (${plain(event.reason)})`));
      }
      case "approval.decided":
        return this.#print(
          `  ${event.decision} by ${plain(event.by)}${event.reason === undefined ? "" : ` (${plain(event.reason)})`}`,
        );
      case "turn.ended":
        return this.#sentBack(event);
      case "run.parked": {
        const text = waitText(event, this.#speaker, this.#tools);
        return text === null ? undefined : this.#print(paint("dim", text));
      }
      default:
        return undefined;
    }
  }

  // ---- the model

  #delta(delta: LiveDelta): void {
    if (!isTerminal() || delta.type === "tool-input.delta") return;
    const key = `${delta.callId}/${delta.attempt}`;
    if (key !== this.#live.key) {
      this.#endLine();
      this.#live = { key, text: "", shown: 0, hasReasoned: false };
    }
    if (delta.type === "reasoning.delta") {
      this.#line.clear();
      process.stdout.write(paint("dim", plain(delta.text)));
      this.#isMidLine = true;
      this.#live.hasReasoned = true;
      return;
    }
    if (this.#live.hasReasoned && this.#live.text === "") this.#endLine();
    this.#live.text += plain(delta.text);
    // what is said again word for word is not shown again
    if (this.#said.startsWith(this.#live.text.trimStart())) return;
    this.#line.clear();
    process.stdout.write(this.#live.text.slice(this.#live.shown));
    this.#live.shown = this.#live.text.length;
    this.#isMidLine = true;
  }

  #answered(event: EventOf<"model.answered">): void {
    this.#line.clear();
    const parts = partsOf(event.message);
    const isLive = this.#live.key === `${event.callId}/${event.attempt}`;
    const reasoning = parts
      .map((part) => (part.type === "reasoning" ? part.text : ""))
      .join("")
      .trim();
    if (reasoning !== "" && !(isLive && this.#live.hasReasoned)) this.#print(paint("dim", plain(reasoning)));
    const text = plain(parts.map((part) => (part.type === "text" ? part.text : "")).join(""));
    if (isLive && this.#live.shown > 0 && text.startsWith(this.#live.text)) {
      process.stdout.write(text.slice(this.#live.shown));
      this.#endLine();
    } else if (text.trim() !== "" && text.trim() !== this.#said) {
      this.#print(text.trim());
    }
    if (text.trim() !== "") this.#said = text.trim();
    if (event.person !== undefined) {
      this.#print(paint("dim", `  ${plain(event.person.by)} answered in the agent's place`));
      return;
    }
    const cost = tokensOf(event.usage) === 0 ? "$0" : costText(event.costNanoUsd);
    this.#print(paint("dim", `  ${countText(tokensOf(event.usage), "token")} · ${cost} · ${durationText(event.ms)}`));
  }

  // ---- tools

  #called(event: EventOf<"tool.called">): void {
    this.recall(event);
    // what these do is told as it happens: the plan, and the children's runs
    if ((event.tool === "plan" || event.tool === "delegate") && event.effect === "pure") {
      this.#planCalls.add(event.callId);
      return;
    }
    this.#print(`${paint("cyan", `→ ${event.tool}`)} ${callText(event.input, columns() - event.tool.length - 4)}`);
    this.#line.wait(event.tool);
  }

  #observed(event: EventOf<"tool.returned" | "tool.failed" | "tool.refused">): void {
    if (event.type === "tool.refused") {
      this.#print(`${paint("red", "←")} ${event.tool}: ${event.code}`);
      return this.#crossed(refusalText(event.output));
    }
    if (event.type === "tool.returned" && this.#planCalls.delete(event.callId)) return;
    const error = event.type === "tool.failed" ? event.error : event.invalid;
    const width = columns() - event.tool.length - 16;
    if (event.type === "tool.returned" && error === undefined) {
      const via = event.via === undefined ? "" : ` (${event.via})`;
      const cost = event.costNanoUsd === undefined ? "" : ` · ${costText(event.costNanoUsd)}`;
      const took = paint("dim", ` ${durationText(event.ms)}${cost}${via}`);
      return this.#print(
        `${paint("green", "←")} ${event.tool}: ${observationText(event.output, width - via.length)}${took}`,
      );
    }
    const again = event.type === "tool.failed" && event.retry === true ? ", again" : "";
    this.#print(`${paint("red", "←")} ${event.tool}: ${oneLine(`${error?.code}: ${error?.message}`, width)}${again}`);
  }

  /** What was found wrong, as the model is told it. */
  #crossed(text: string): void {
    const lines = plain(text).trim().split("\n").slice(0, CROSSED_LINES);
    this.#print(paint("yellow", indented(lines.join("\n"), "  ✗ ")));
  }

  #plan(items: readonly PlanItem[]): void {
    this.#print(paint("bold", "plan"));
    for (const { status, text, by, needs = [] } of items) {
      const who = by === undefined ? "" : paint("cyan", `${by}: `);
      const after = needs.length === 0 ? "" : paint("dim", ` (after ${plain(needs.join(", "))})`);
      const line = `  ${planMarks[status]} ${who}${oneLine(text, columns() - 24)}${after}`;
      this.#print(status === "active" ? line : paint("dim", line));
    }
  }

  /** The answer did not stand: its next turn begins with what was found wrong. */
  #sentBack({ stateRef }: EventOf<"turn.ended">): void {
    const memo: JsonValue = stateRef !== undefined && "inline" in stateRef ? stateRef.inline : null;
    if (!isJsonObject(memo) || typeof memo["hint"] !== "string" || memo["hint"] === "") return;
    this.#crossed(memo["hint"]);
  }

  // ---- lines

  #print(line: string): void {
    this.#line.clear();
    this.#endLine();
    say(line);
  }

  #endLine(): void {
    if (this.#isMidLine) process.stdout.write("\n");
    this.#isMidLine = false;
  }
}

function partsOf(message: JsonValue): readonly AssistantPart[] {
  const read = message as unknown as Message;
  return read.role === "assistant" ? read.content : [];
}
