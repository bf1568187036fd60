import { join, relative } from "node:path";
import type { ChildEnded } from "../core/journal-event.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import { countText } from "./figures.ts";
import { oneLine } from "./terminal.ts";

const VALUE_CHARS = 60;
/** A longer text is no name or title: only its length is told. */
const TEXT_CHARS = 200;

const LINE_CHARS = 400;

/** Arguments of a call on one line: the only text as it is, else `name=value`; long texts by their length. */
export function callText(input: JsonValue, width: number): string {
  if (!isJsonObject(input)) return oneLine(JSON.stringify(input), width);
  const members = Object.entries(input);
  const [only] = members;
  if (members.length === 1 && only !== undefined && typeof only[1] === "string") return oneLine(`"${only[1]}"`, width);
  return oneLine(members.map(([name, value]) => `${name}=${valueText(value)}`).join(" "), width);
}

function valueText(value: JsonValue): string {
  if (typeof value === "string") {
    return value.length > TEXT_CHARS ? `(${countText(value.length, "character")})` : `"${oneLine(value, VALUE_CHARS)}"`;
  }
  const text = JSON.stringify(value);
  return text.length <= VALUE_CHARS
    ? text
    : `(${Array.isArray(value) ? countText(value.length, "item") : "an object"})`;
}

/** What a tool gave back, on one line: places where it names some, else the start of its text. */
export function observationText(output: JsonValue, width: number): string {
  if (typeof output === "string") return oneLine(output, width);
  const places = placesText(output);
  return oneLine(places ?? reportText(output), width);
}

function placesText(output: JsonValue): string | null {
  if (!isJsonObject(output)) return null;
  const place = placeText(output);
  if (place !== null) return place;
  const { file, dir } = output;
  if (typeof file === "string" && typeof dir === "string") return relative(process.cwd(), join(dir, file));
  const list = Object.values(output).find((value): value is readonly JsonValue[] => Array.isArray(value));
  if (list === undefined) return null;
  const places = list.map(placeText);
  const isAllPlaces = places.length > 0 && places.every((one) => one !== null);
  if (isAllPlaces) return `${countText(places.length, "passage")}: ${places.join("  ")}`;
  const remark = typeof output["note"] === "string" ? output["note"] : null;
  if (list.length === 0) return remark ?? "nothing found";
  const files = list.flatMap((one) => (isJsonObject(one) && typeof one["file"] === "string" ? [one["file"]] : []));
  return files.length === list.length ? `${countText(files.length, "document")}: ${files.join("  ")}` : null;
}

function placeText(value: JsonValue): string | null {
  if (!isJsonObject(value)) return null;
  const { file, startLine, endLine } = value;
  if (typeof file !== "string" || typeof startLine !== "number" || typeof endLine !== "number") return null;
  return `${file}:${startLine}-${endLine}`;
}

/** How a child run ended: what it says, of a report with how sure it is. */
export function childText({ status, stopReason, error, valueRef }: ChildEnded): string {
  const value = "inline" in valueRef ? valueRef.inline : null;
  if (status !== "completed") return [status, error?.code ?? stopReason ?? ""].join(" ").trim();
  return value === null ? status : reportText(value);
}

/** What somebody answered: of a report its text and how sure it is, of other data its members, never raw JSON. */
export function reportText(value: JsonValue): string {
  if (typeof value === "string") return value;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const { result, confidence } = value;
  if (typeof result !== "string") return callText(value, LINE_CHARS);
  return confidence === undefined ? result : `confidence ${JSON.stringify(confidence)}: ${result}`;
}

/** What the model was told in place of a result. */
export function refusalText(shown: JsonValue): string {
  return typeof shown === "string" ? shown : JSON.stringify(shown);
}
