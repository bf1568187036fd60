import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PawlError } from "../core/errors.ts";
import { question } from "./question.ts";
import { isJsonObject, parseJson, type JsonObject, type JsonValue } from "../core/json.ts";

/** Lets a person change arguments: in $VISUAL or $EDITOR, else field by field. null = left as they were. */
export async function editedInput(input: JsonValue): Promise<JsonValue | null> {
  const editor = process.env["VISUAL"] ?? process.env["EDITOR"] ?? "";
  const edited = editor === "" ? await askedFields(input) : await inEditor(editor, input);
  return JSON.stringify(edited) === JSON.stringify(input) ? null : edited;
}

async function inEditor(editor: string, input: JsonValue): Promise<JsonValue> {
  const folder = await mkdtemp(join(tmpdir(), "pawl-edit-"));
  const report = reportOf(input);
  const file = join(folder, report === null ? "arguments.json" : "report.md");
  try {
    await writeFile(file, report === null ? `${JSON.stringify(input, null, 2)}\n` : textOfReport(report), {
      mode: 0o600,
    });
    await runEditor(editor, file);
    const text = await readFile(file, "utf8");
    return report === null ? parsed(text) : reportIn(text, report);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The editor's command may have arguments of its own: the shell splits it, the file is never part of its text. */
async function runEditor(editor: string, file: string): Promise<void> {
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn("sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0)
    throw new PawlError("OPTION_INVALID", `the editor "${editor}" ended with ${code}. Set EDITOR to another one.`);
}

function parsed(text: string): JsonValue {
  const json = parseJson(text);
  if (json.ok) return json.value;
  throw new PawlError("ANSWER_INVALID", `what the editor left is not JSON (${json.reason}). Edit it again.`);
}

interface Report {
  readonly title: string;
  readonly content: string;
}

/** A title and a text are edited as the document they become. */
function reportOf(input: JsonValue): Report | null {
  if (!isJsonObject(input) || Object.keys(input).length !== 2) return null;
  const { title, content } = input;
  return typeof title === "string" && typeof content === "string" ? { title, content } : null;
}

function textOfReport({ title, content }: Report): string {
  return `# ${title}\n\n${content}\n`;
}

function reportIn(text: string, before: Report): JsonObject {
  const [first = "", ...rest] = text.split("\n");
  const isTitled = /^#\s+\S/.test(first);
  const title = isTitled ? first.replace(/^#\s+/, "").trim() : before.title;
  return { title, content: (isTitled ? rest.join("\n") : text).trim() };
}

/** A longer value, or one of several lines, needs an editor. */
const FIELD_CHARS = 200;

async function askedFields(input: JsonValue): Promise<JsonValue> {
  if (!isJsonObject(input)) return parsed((await question("new value as JSON: ")) ?? JSON.stringify(input));
  const edited: Record<string, JsonValue> = { ...input };
  for (const [name, value] of Object.entries(input)) {
    const shown = typeof value === "string" ? value : JSON.stringify(value);
    if (shown.length > FIELD_CHARS || shown.includes("\n")) continue;
    const answer = (await question(`${name} [${shown}]: `)) ?? "";
    if (answer.trim() !== "") edited[name] = typeof value === "string" ? answer : parsed(answer);
  }
  return edited;
}
