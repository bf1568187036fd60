import { isUtf8 } from "node:buffer";
import { PawlError } from "../core/errors.ts";
import { isJsonObject, type JsonValue } from "../core/json.ts";
import type { ToolContext } from "../core/tool-contract.ts";
import type { Values } from "./values.ts";

/**
 * Bytes that tools keep with a run: values in its blob scope, named by their hash. Text stays text, so that secrets are
 * taken out of it and people can read it.
 */
export function artifactsOf(values: Values): Pick<ToolContext, "putArtifact" | "readArtifact"> {
  return {
    async putArtifact(bytes) {
      const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const ref = await values.put(
        isUtf8(all) ? { text: all.toString() } : { base64: all.toString("base64") },
        undefined,
        0,
      );
      if ("blob" in ref) return ref.blob;
      throw new PawlError("INTERNAL", "an artifact was not stored as a blob.");
    },
    async readArtifact(name) {
      const stored = /^[0-9a-f]{32}$/.test(name) ? await values.readBytes(name) : null;
      return stored === null ? null : contentOf(JSON.parse(Buffer.from(stored).toString()) as JsonValue);
    },
  };
}

/** null for a value of the run that is no artifact */
function contentOf(value: JsonValue): Uint8Array | null {
  if (!isJsonObject(value) || Object.keys(value).length !== 1) return null;
  if (typeof value.text === "string") return Buffer.from(value.text);
  return typeof value.base64 === "string" ? Buffer.from(value.base64, "base64") : null;
}
