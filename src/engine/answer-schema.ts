import { PawlError } from "../core/errors.ts";
import { errorText, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseWith, type Schema } from "../core/schema.ts";

/**
 * Holds an answer against the JSON Schema of its question.
 * @throws ANSWER_INVALID naming each place that does not fit
 * @throws SCHEMA_INVALID the question's schema cannot be checked: nothing answers it
 */
export async function checkAnswer(what: string, schema: JsonObject, answer: JsonValue): Promise<void> {
  const parsed = parseWith(what, await readable(what, schema), answer);
  if (parsed.ok) return;
  const issues = parsed.issues.map((issue) => `${issue.path || "(whole)"}: ${issue.message}`).join("; ");
  throw new PawlError("ANSWER_INVALID", `the answer does not fit ${what}: ${issues}. Correct it and answer again.`);
}

async function readable(what: string, schema: JsonObject): Promise<Schema> {
  // only an answer needs it: a worker does without
  const { z } = await import("zod");
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (error) {
    throw new PawlError(
      "SCHEMA_INVALID",
      `the JSON Schema of ${what} cannot be checked: ${errorText(error, 300)}. Reject the question, and ask it with a schema of types, properties, items, enums and bounds.`,
      { cause: error },
    );
  }
}
