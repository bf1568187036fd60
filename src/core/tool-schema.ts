import { PawlError } from "./errors.ts";
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from "./json.ts";
import { limits } from "./limits.ts";

/**
 * Refuses a JSON Schema that cannot be used, or that would cost its readers without bound: too large or too deep, an enum
 * without end, a `$ref` that leaves the schema (it is never fetched), leads nowhere or in a circle. For schemas that were
 * not written with this program also patterns that may take exponential time: `(a+)+$`, back references.
 * @param what  names the schema in the error: `tool "read" of mcp:files: inputSchema`
 * @throws SCHEMA_INVALID
 */
export function checkToolSchema(
  what: string,
  schema: JsonObject,
  { isForeign = false }: { readonly isForeign?: boolean } = {},
): void {
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > limits.toolSchemaBytes) throw unusable(what, `has ${bytes} bytes`, `${limits.toolSchemaBytes} at most`);
  visit(what, schema, schema, { depth: 0, isForeign });
}

interface Place {
  readonly depth: number;
  readonly isForeign: boolean;
}

function visit(what: string, root: JsonObject, value: JsonValue, place: Place): void {
  if (place.depth > limits.toolSchemaDepth * 2)
    throw unusable(what, "is nested too deep", `${limits.toolSchemaDepth} levels at most`);
  const inner = { ...place, depth: place.depth + 1 };
  if (Array.isArray(value)) for (const item of value as readonly JsonValue[]) visit(what, root, item, inner);
  if (!isJsonObject(value)) return;
  const { enum: choices, $ref: ref, pattern } = value;
  if (Array.isArray(choices) && choices.length > limits.toolEnum)
    throw unusable(what, `has an enum of ${choices.length} values`, `${limits.toolEnum} at most`);
  if (typeof ref === "string") checkRef(what, root, ref);
  if (typeof pattern === "string") checkPattern(what, pattern, place.isForeign);
  for (const [key, member] of Object.entries(value)) {
    if (key === "patternProperties" && isJsonObject(member))
      for (const name of Object.keys(member)) checkPattern(what, name, place.isForeign);
    visit(what, root, member, inner);
  }
}

function checkRef(what: string, root: JsonObject, ref: string): void {
  const seen = new Set<string>();
  for (let at: JsonValue | undefined = ref; typeof at === "string";) {
    if (!at.startsWith("#"))
      throw unusable(what, `refers to ${quoted(at)}`, "only #/… within itself; nothing is fetched");
    if (seen.has(at))
      throw unusable(what, `refers to itself in a circle at ${quoted(at)}`, "a $ref must end at a schema");
    seen.add(at);
    const target = targetOf(root, at);
    if (target === undefined) throw unusable(what, `refers to ${quoted(at)}, which is not there`, "define it in $defs");
    at = isJsonObject(target) ? target["$ref"] : undefined;
  }
}

function targetOf(root: JsonObject, ref: string): JsonValue | undefined {
  let at: JsonValue | undefined = root;
  for (const part of ref.slice(1).split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = Reflect.get(at, key) as JsonValue;
  }
  return at;
}

const PATTERN_CHARS = 500;

function checkPattern(what: string, pattern: string, isForeign: boolean): void {
  try {
    // compiled to see that it can be, never run here
    void new RegExp(pattern, "u");
  } catch {
    throw unusable(
      what,
      `has the pattern ${quoted(pattern)}, which does not compile`,
      "a regular expression of ECMAScript",
    );
  }
  if (isForeign && (pattern.length > PATTERN_CHARS || mayExplode(pattern)))
    throw unusable(
      what,
      `has the pattern ${quoted(pattern)}, which may take exponential time`,
      "no repetition in a repetition, no back reference",
    );
}

/**
 * A repeated group that itself repeats or chooses, or a back reference: careful rather than exact, since who wrote the
 * pattern may want it to explode. Linear in its length.
 */
function mayExplode(pattern: string): boolean {
  const groups: boolean[] = [];
  let closed = false;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    const wasClosed = closed;
    closed = false;
    if (char === "\\") {
      if (/[1-9k]/.test(pattern[i + 1] ?? "")) return true;
      i++;
    } else if (char === "[") i = endOfClass(pattern, i);
    else if (char === "(") groups.push(false);
    else if (char === ")") closed = groups.pop() ?? false;
    else if (char === "|") mark(groups);
    else if (char === "*" || char === "+" || char === "{") {
      if (wasClosed) return true;
      mark(groups);
    }
  }
  return false;
}

function mark(groups: boolean[]): void {
  groups.fill(true);
}

function endOfClass(pattern: string, from: number): number {
  for (let i = from + 1; i < pattern.length; i++) {
    if (pattern[i] === "\\") i++;
    else if (pattern[i] === "]") return i;
  }
  return pattern.length;
}

function quoted(text: string): string {
  return canonicalJson(text.slice(0, 80).toWellFormed());
}

function unusable(what: string, got: string, wanted: string): PawlError {
  return new PawlError("SCHEMA_INVALID", `${what} ${got}. Allowed: ${wanted}.`);
}
