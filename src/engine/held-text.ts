import { limits } from "../core/limits.ts";
import type { Redactor } from "../core/redact.ts";
import type { SecretForms } from "../core/secret-forms.ts";

/**
 * Text that comes in pieces, given on once no secret can lie across its end: what may be the beginning of one is held
 * back, at least limits.heldChars and the last word.
 */
export class HeldText {
  readonly #redactor: Redactor;
  readonly #forms: SecretForms;
  #held = "";
  /** Length at which it is tried again: a long word costs no more than its length. */
  #tryAt = 0;

  constructor(redactor: Redactor, forms: SecretForms) {
    this.#redactor = redactor;
    this.#forms = forms;
  }

  /** @returns what may be shown now */
  push(text: string): string {
    this.#held += text;
    const size = this.#held.length;
    if (size <= Math.max(limits.heldChars, this.#tryAt)) return "";
    const cut = this.#cut() || (size < limits.heldCharsMax ? 0 : this.#openAt());
    if (cut <= 0) {
      this.#tryAt = Math.ceil(size * 1.25);
      return "";
    }
    this.#tryAt = 0;
    const shown = this.#clean(this.#held.slice(0, cut));
    this.#held = this.#held.slice(cut);
    return shown;
  }

  /** The rest, once nothing follows. */
  end(): string {
    const rest = this.#clean(this.#held);
    this.#held = "";
    return rest;
  }

  /** A place between two words where nothing that is removed lies across; 0 = none. */
  #cut(): number {
    const whole = this.#clean(this.#held);
    for (let at = this.#openAt(), tries = 0; at > 0 && tries < TRIES; tries++) {
      at = spaceBefore(this.#held, at);
      if (at > 0 && this.#clean(this.#held.slice(0, at)) + this.#clean(this.#held.slice(at)) === whole) return at;
      at -= 1;
    }
    return 0;
  }

  /** From here on a secret may have begun. */
  #openAt(): number {
    return this.#held.length - Math.max(limits.heldChars, this.#forms.openAtEnd(this.#held));
  }

  #clean(text: string): string {
    return this.#redactor.text(text, "", {});
  }
}

const TRIES = 8;

/** Just behind the last white space before a place; 0 = none. */
function spaceBefore(text: string, before: number): number {
  for (let at = before; at > 0; at--) if (/\s/.test(text.charAt(at - 1))) return at;
  return 0;
}
