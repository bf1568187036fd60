import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { PawlError } from "../../core/errors.ts";
import { hashText } from "../../core/hash.ts";
import { errorText } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";

const TITLE_CHARS = 120;
const SLUG_CHARS = 60;
const KEY_DIGITS = 12;

/** True for the name of a file that save_report has written. */
export function isReportName(name: string): boolean {
  return /-[0-9a-f]{12}\.md$/.test(name);
}

interface Report {
  readonly title: string;
  readonly content: string;
}

/**
 * The tool `save_report`: writes one Markdown file into `dir`, which is made if it is not there. A person approves every
 * call. The file's name ends with a hash of the call's idempotency key, so a repeat with the same key, from any process,
 * finds the file of the first time and writes nothing.
 */
export function saveReport(options: { readonly dir: string }): ToolDefinition {
  if (typeof options.dir !== "string" || options.dir === "") {
    throw new PawlError(
      "OPTION_INVALID",
      `save_report: dir is ${JSON.stringify(options.dir)}. Give the folder for reports.`,
    );
  }
  return tool({
    name: "save_report",
    version: "1",
    description: "Saves a finished report as a Markdown file. Use it once, for the final answer only.",
    inputSchema: z.object({
      title: z.string().trim().min(1).max(TITLE_CHARS).describe("Title of the report"),
      content: z.string().trim().min(1).max(limits.reportChars).describe("Whole text of the report, in Markdown"),
    }),
    effect: "idempotent",
    flow: { sinks: { title: "content", content: "content" }, reversible: true },
    approval: "always",
    execute: (report, ctx) => save(options.dir, report, ctx.idempotencyKey),
  });
}

async function save(
  dir: string,
  report: Report,
  key: string,
): Promise<{ readonly file: string; readonly dir: string }> {
  const ending = `-${hashText(key).slice(0, KEY_DIGITS)}.md`;
  try {
    await mkdir(dir, { recursive: true });
    const names = await readdir(dir);
    const earlier = names.find((name) => name.endsWith(ending));
    const file = earlier ?? `${slugOf(report.title)}${ending}`;
    if (earlier === undefined) await writeWhole(dir, file, textOf(report));
    for (const name of names)
      if (name.startsWith(".") && name.includes(`${ending}.`)) await rm(join(dir, name), { force: true });
    return { file, dir };
  } catch (error) {
    throw new PawlError("TOOL_FAILED", `the report cannot be written into "${dir}": ${errorText(error, 200)}`, {
      cause: error,
    });
  }
}

function textOf({ title, content }: Report): string {
  return /^#\s/.test(content) ? `${content}\n` : `# ${title.replaceAll(/\s+/g, " ")}\n\n${content}\n`;
}

/** Letters and digits of the title only: no separator, no dot, so it names a file in `dir` whatever the title says. */
function slugOf(title: string): string {
  const slug = title
    .normalize("NFC")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, "-")
    .slice(0, SLUG_CHARS)
    .replaceAll(/^-+|-+$/g, "");
  return slug === "" ? "report" : slug.toWellFormed();
}

/**
 * Whole or not at all, also through a loss of power: written beside, synced, renamed. The draft of an attempt that
 * crashed is removed by the next one.
 */
async function writeWhole(dir: string, file: string, text: string): Promise<void> {
  const draft = join(dir, `.${file}.${process.pid}.draft`);
  await rm(draft, { force: true });
  await synced(draft, "wx", (handle) => handle.writeFile(text));
  await rename(draft, join(dir, file));
  await synced(dir, "r");
}

async function synced(path: string, flags: string, write?: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, 0o644);
  try {
    await write?.(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
