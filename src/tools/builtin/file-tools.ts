import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { z } from "zod";
import { notApplied, PawlError } from "../../core/errors.ts";
import { hashText } from "../../core/hash.ts";
import { limits } from "../../core/limits.ts";
import type { ToolContext, ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";
import { type Found, fileError, OpenFolder, partsOf } from "./rooted-files.ts";
import { fileCapability } from "./sql-query.ts";
import { textPart } from "./text-part.ts";

export interface FileToolOptions {
  /** The folder; nothing outside of it is read or written, and nothing whose name starts with a dot. */
  readonly root: string;
}

const pathSchema = z.string().max(4_096).describe('Path below the folder, as "reports/may.md"');

/**
 * The tool `read_file`: a text file below a folder, or the names in a folder.
 * @throws OPTION_INVALID
 */
export function readFileTool(options: FileToolOptions): ToolDefinition {
  const root = rootOf("read_file", options);
  return tool({
    name: "read_file",
    version: "1",
    description: `Reads a text file, or lists a folder where the path leads to one ("" for all there is). A long text comes in parts. "version" is needed to replace the file.`,
    inputSchema: z.object({
      path: pathSchema,
      start: z.int().min(0).default(0).describe("Character to read on from: `next` of the part before"),
    }),
    effect: "pure",
    attempts: 1,
    flow: { sinks: { path: "target" } },
    capabilities: [fileCapability(root)],
    execute: async ({ path, start }, ctx) => {
      const found = await at({ root, path, ctx }, (folder, name) => folder.look(name, limits.toolFileBytes));
      if (found.type === "nothing") throw fileError(path, Object.assign(new Error(), { code: "ENOENT" }));
      if (found.type === "folder") return namesIn(found.names);
      return { ...textPart(textOf(path, found.bytes), start), version: versionOf(found.bytes) };
    },
  });
}

/**
 * The tool `write_file`: writes a text file below a folder, which is made if it is not there. A file that is there is
 * replaced only by who has read it. A repeat finds its own content and does nothing.
 * @throws OPTION_INVALID
 */
export function writeFileTool(options: FileToolOptions): ToolDefinition {
  const root = rootOf("write_file", options);
  return tool({
    name: "write_file",
    version: "1",
    description: "Writes a whole text file; missing folders are made. To replace a file that is there, read it first.",
    inputSchema: z.object({
      path: pathSchema,
      content: z.string().max(limits.toolFileBytes).describe("The whole new content"),
      replaces: z.string().max(64).optional().describe("Where the file is there: the `version` that read_file gave"),
    }),
    effect: "idempotent",
    flow: { sinks: { path: "target", content: "content" } },
    capabilities: [fileCapability(root)],
    execute: ({ path, content, replaces }, ctx) =>
      at({ root, path, ctx, isMade: true }, async (folder, name) => {
        if (name === undefined) throw notApplied("the path names no file.");
        const bytes = Buffer.from(content.toWellFormed());
        const version = versionOf(bytes);
        const done = { path, version, bytes: bytes.byteLength };
        const old = await folder.look(name, limits.toolFileBytes);
        if (old.type === "file" && versionOf(old.bytes) === version) return { ...done, isUnchanged: true };
        checkReplaced(path, old, replaces);
        ctx.signal.throwIfAborted();
        const draft = `.pawl-${hashText(ctx.idempotencyKey).slice(0, 16)}-${ctx.attempt}.draft`;
        if (await folder.write(name, bytes, { draft, isNew: old.type === "nothing" })) return done;
        throw notApplied(`"${path}" was written by somebody else just now: read it.`);
      }),
  });
}

/** @throws OPTION_INVALID */
function rootOf(what: string, { root }: FileToolOptions): string {
  if (typeof root === "string" && root !== "") return resolve(root);
  throw new PawlError("OPTION_INVALID", `${what}: root is ${JSON.stringify(root)}. Give the folder for files.`);
}

interface Place {
  readonly root: string;
  readonly path: string;
  readonly ctx: ToolContext;
  readonly isMade?: boolean;
}

/** @param use is given the folder that the path's last name is in, held open */
async function at<T>(
  { root, path, ctx, isMade = false }: Place,
  use: (folder: OpenFolder, name: string | undefined) => Promise<T>,
): Promise<T> {
  const parts = partsOf(path);
  if (!ctx.may(fileCapability(join(root, ...parts)))) throw notApplied(`this run was not granted "${path}".`);
  try {
    return await OpenFolder.use({ root, parts: parts.slice(0, -1), isMade }, (folder) => use(folder, parts.at(-1)));
  } catch (error) {
    throw fileError(path, error);
  }
}

function checkReplaced(path: string, old: Found, replaces: string | undefined): void {
  if (old.type === "folder") throw notApplied(`"${path}" is a folder.`);
  const now = old.type === "file" ? versionOf(old.bytes) : undefined;
  if (now === replaces) return;
  if (now === undefined) throw notApplied(`"${path}" is not there any more: leave "replaces" out to write it anew.`);
  throw notApplied(
    replaces === undefined
      ? `"${path}" is there. To replace it, read it and give its version as "replaces".`
      : `"${path}" has changed since version "${replaces.slice(0, 64)}": read it again.`,
  );
}

function namesIn(names: readonly string[]): object {
  const shown = names.slice(0, limits.listedDocuments);
  return shown.length < names.length ? { names: shown, more: names.length - shown.length } : { names };
}

function textOf(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notApplied(`"${path}" is no text in UTF-8.`);
  }
}

function versionOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
