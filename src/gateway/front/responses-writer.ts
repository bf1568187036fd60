import type { JsonObject } from "../../core/json.ts";
import {
  callsOf,
  sse,
  textOfAnswer,
  type AnswerHead,
  type AnswerWriter,
  type FrontAnswer,
  type FrontError,
} from "./front-answer.ts";
import { argumentsOf } from "./front-request.ts";
import { callItem, messageItem, responseOf } from "./response-document.ts";

/** An item of the output that is being written. */
interface Item {
  readonly index: number;
  /** null = the message */
  readonly call: { readonly index: number; readonly tool: string } | null;
  text: string;
}

/** The events of a streamed response. Items stay open until the end: calls may come interleaved. */
export class ResponsesWriter implements AnswerWriter {
  readonly #head: AnswerHead;
  readonly #items: Item[] = [];
  #sequence = 0;

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  begin(): string {
    const response = responseOf(this.#head, null);
    return this.#event("response.created", { response }) + this.#event("response.in_progress", { response });
  }

  text(piece: string): string {
    const { item, opening } = this.#message();
    item.text += piece;
    return opening + this.#event("response.output_text.delta", { ...this.#part(item), delta: piece, logprobs: [] });
  }

  reasoning(): string {
    return "";
  }

  call(index: number, tool: string, piece: string): string {
    const known = this.#items.find((one) => one.call?.index === index);
    const item = known ?? this.#open({ index, tool });
    const opening = known === undefined ? this.#added(item) : "";
    item.text += piece;
    return opening + this.#event("response.function_call_arguments.delta", { ...this.#place(item), delta: piece });
  }

  end(answer: FrontAnswer): string {
    const text = textOfAnswer(answer);
    const calls = callsOf(answer);
    const isSaid = this.#items.some(({ call }) => call === null);
    const missing = [
      !isSaid && (text !== "" || calls.length === 0) ? this.text(text) : "",
      ...calls.map((part, i) =>
        this.#items.some(({ call }) => call?.index === i) ? "" : this.call(i, part.tool, argumentsOf(part)),
      ),
    ];
    const done = this.#items.map((item) => this.#done(item));
    const output = this.#items.map((item) => this.#whole(item, "completed"));
    const whole = responseOf(this.#head, answer);
    const response = { ...whole, output };
    const type = whole["status"] === "incomplete" ? "response.incomplete" : "response.completed";
    return [...missing, ...done, this.#event(type, { response })].join("");
  }

  error({ code, message, param }: FrontError): string {
    const failed = { ...responseOf(this.#head, null), status: "failed", error: { code, message } };
    return this.#event("error", { code, message, param }) + this.#event("response.failed", { response: failed });
  }

  #message(): { readonly item: Item; readonly opening: string } {
    const known = this.#items.find(({ call }) => call === null);
    if (known !== undefined) return { item: known, opening: "" };
    const item = this.#open(null);
    const part = { type: "output_text", text: "", annotations: [], logprobs: [] };
    return {
      item,
      opening: this.#added(item) + this.#event("response.content_part.added", { ...this.#part(item), part }),
    };
  }

  #open(call: Item["call"]): Item {
    const item = { index: this.#items.length, call, text: "" };
    this.#items.push(item);
    return item;
  }

  #added(item: Item): string {
    return this.#event("response.output_item.added", {
      output_index: item.index,
      item: this.#whole(item, "in_progress"),
    });
  }

  #done(item: Item): string {
    const { text, call } = item;
    const part = { type: "output_text", text, annotations: [], logprobs: [] };
    const parts =
      call === null
        ? [
            this.#event("response.output_text.done", { ...this.#part(item), text, logprobs: [] }),
            this.#event("response.content_part.done", { ...this.#part(item), part }),
          ]
        : [
            this.#event("response.function_call_arguments.done", {
              ...this.#place(item),
              name: call.tool,
              arguments: text,
            }),
          ];
    const whole = { output_index: item.index, item: this.#whole(item, "completed") };
    return [...parts, this.#event("response.output_item.done", whole)].join("");
  }

  #whole({ call, text }: Item, status: "in_progress" | "completed"): JsonObject {
    return call === null ? messageItem(this.#head.id, text, status) : callItem(this.#head.id, call, text, status);
  }

  #place({ index, call }: Item): JsonObject {
    const { id } = this.#head;
    return { item_id: call === null ? `msg_${id}` : `fc_${id}_${call.index}`, output_index: index };
  }

  #part(item: Item): JsonObject {
    return { ...this.#place(item), content_index: 0 };
  }

  #event(type: string, data: JsonObject): string {
    return sse({ type, sequence_number: this.#sequence++, ...data }, type);
  }
}
