import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { PawlError } from "../../core/errors.ts";
import { errorText } from "../../core/json.ts";
import { ownPackage } from "../own-package.ts";
import type { Place } from "../place.ts";
import { projectFiles } from "../project-template.ts";
import { paint, say } from "../terminal.ts";

/** `pawl init DIR`: one agent, one tool, one test, and the configuration that knows them. */
export async function init(dir: string, place: Place): Promise<number> {
  const folder = resolve(dir);
  const filesWith = (pawl: string) => projectFiles({ name: nameOf(folder), pawl, zod: zodVersion() });
  const taken = Object.keys(filesWith("")).filter((file) => existsSync(join(folder, file)));
  if (taken.length > 0) {
    throw new PawlError(
      "OPTION_INVALID",
      `"${dir}" has ${taken.join(", ")} already, and nothing is overwritten. Name a new folder.`,
    );
  }
  let files: ReturnType<typeof filesWith>;
  try {
    mkdirSync(folder, { recursive: true });
    files = filesWith(await ownPackage(folder));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text, { flag: "wx" });
    }
  } catch (error) {
    if (PawlError.is(error)) throw error;
    throw new PawlError(
      "OPTION_INVALID",
      `"${dir}" cannot be written (${errorText(error, 200)}). Name a folder that you may write.`,
      { cause: error },
    );
  }
  if (place.json === true) say(JSON.stringify({ folder, files: Object.keys(files) }));
  else tellNext(dir, folder, Object.keys(files));
  return 0;
}

function tellNext(dir: string, folder: string, files: readonly string[]): void {
  for (const file of files) say(`  ${file}`);
  say();
  const there = relative(process.cwd(), folder) === "" ? [] : [`cd ${dir}`];
  const next = [...there, "npm install", "npm test", 'npx pawl run helper "When is the office open?"'];
  for (const line of next) say(paint("bold", `  ${line}`));
}

function nameOf(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return name === "" ? "project" : name;
}

/** The version that this package was tested with. */
function zodVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
    readonly dependencies: { readonly [name: string]: string };
  };
  return `^${manifest.dependencies["zod"] ?? "4"}`;
}
