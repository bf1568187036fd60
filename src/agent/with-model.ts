import { PawlError } from "../core/errors.ts";
import { hashJson } from "../core/hash.ts";
import { isJsonObject } from "../core/json.ts";
import type { Runnable } from "../core/runnable.ts";

/**
 * The same agent on another model: its definition changes, and with it its version.
 * @throws OPTION_INVALID  the runnable is no agent, so no model is its own
 */
export function withModel(runnable: Runnable, model: string): Runnable {
  const { definition, name } = runnable;
  if (!isJsonObject(definition) || typeof definition["model"] !== "string") {
    throw new PawlError("OPTION_INVALID", `"${name}" is a function and has no model of its own. Leave the model out.`);
  }
  const changed = { ...definition, model };
  return { ...runnable, definition: changed, version: hashJson(changed).slice(0, 16), routes: [model] };
}
