import type { JsonObject, JsonValue } from "../api/types.ts";

/** One request of the API, in the three forms in which people take it elsewhere. */
export interface CopyTexts {
  readonly curl: string;
  readonly typescript: string;
  readonly cli: string;
}

/** For a shell: everything between single quotes is text. */
export function quoted(text: string): string {
  return /^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

const ts = (value: JsonValue | JsonObject): string => JSON.stringify(value, null, 2).replace(/\n/g, "\n  ");

export function curlOf(path: string, body: JsonValue | null): string {
  const lines = [
    `curl ${body === null ? "" : "-X POST "}${quoted(`${location.origin}/api/v1${path}`)}`,
    `-H "authorization: Bearer $PAWL_KEY"`,
  ];
  if (body !== null) lines.push(`-H 'content-type: application/json'`, `-d ${quoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

/** @param call what is called on a client, such as `cancelRun("ticket-7", { reason })` */
export function typescriptOf(call: string): string {
  return [
    `import { PawlClient } from "pawl/client";`,
    ``,
    `const pawl = new PawlClient({ url: ${JSON.stringify(location.origin)}, key: process.env.PAWL_KEY });`,
    `await pawl.${call};`,
  ].join("\n");
}

export function argument(value: JsonValue): string {
  return ts(value);
}

export function cliOf(...words: readonly string[]): string {
  return ["pawl", ...words.map((word) => quoted(word))].join(" ");
}
