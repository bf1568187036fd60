import { PawlError } from "../../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.ts";

/** @throws nothing: it makes what is thrown. `param` is where, as OpenAI's errors name it: `messages[0].content` */
export function wrongField(param: string, problem: string): PawlError {
  return new PawlError("REQUEST_INVALID", `'${param.slice(0, 200)}' ${problem}.`, { details: { param } });
}

/** The members of a request's object, read one by one; null counts as not given, as it does at the providers. */
export class Fields {
  readonly #value: JsonObject;
  readonly #path: string;

  constructor(value: JsonObject, path = "") {
    this.#value = value;
    this.#path = path;
  }

  at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  get(name: string): JsonValue | undefined {
    return Object.hasOwn(this.#value, name) ? (this.#value[name] ?? undefined) : undefined;
  }

  text(name: string): string | undefined {
    const value = this.get(name);
    if (value === undefined || typeof value === "string") return value;
    throw wrongField(this.at(name), "must be a string");
  }

  needText(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === "") throw wrongField(this.at(name), "is missing: give a string");
    return value;
  }

  number(name: string, least: number, most: number): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw wrongField(this.at(name), `must be a number from ${least} to ${most}`);
  }

  count(name: string, least = 1): number | undefined {
    const value = this.number(name, least, 100_000_000);
    if (value === undefined || Number.isSafeInteger(value)) return value;
    throw wrongField(this.at(name), "must be a whole number");
  }

  flag(name: string): boolean {
    const value = this.get(name);
    if (value === undefined || typeof value === "boolean") return value === true;
    throw wrongField(this.at(name), "must be true or false");
  }

  object(name: string): Fields | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (isJsonObject(value)) return new Fields(value, this.at(name));
    throw wrongField(this.at(name), "must be an object");
  }

  json(name: string): JsonObject | undefined {
    const value = this.get(name);
    if (value === undefined || isJsonObject(value)) return value;
    throw wrongField(this.at(name), "must be an object");
  }

  /** The objects of a list. */
  list(name: string): readonly Fields[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw wrongField(this.at(name), "must be a list");
    return value.map((item: JsonValue, i) => {
      if (isJsonObject(item)) return new Fields(item, `${this.at(name)}[${i}]`);
      throw wrongField(`${this.at(name)}[${i}]`, "must be an object");
    });
  }

  texts(name: string): readonly string[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const list: readonly JsonValue[] = Array.isArray(value) ? value : [value];
    if (list.length <= 16 && list.every((item) => typeof item === "string")) return list;
    throw wrongField(this.at(name), "must be a string or a list of at most 16");
  }

  /**
   * Refuses what an API does not know, as the providers do, and what is known and cannot be kept.
   * @param ignored   known, and of no meaning here
   * @param refused   known, with the one value (beside null) that asks for nothing
   */
  only(
    taken: readonly string[],
    ignored: readonly string[],
    refused: { readonly [name: string]: JsonValue | undefined },
  ): void {
    for (const name of Object.keys(this.#value)) {
      if (taken.includes(name) || ignored.includes(name)) continue;
      if (!Object.hasOwn(refused, name))
        throw wrongField(this.at(name), "is not known: unrecognized request argument supplied");
      const value = this.get(name);
      if (value === undefined || JSON.stringify(value) === JSON.stringify(refused[name])) continue;
      throw wrongField(this.at(name), "is not supported here. Leave it out");
    }
  }
}
