import { stripTypeScriptTypes } from "node:module";
import { parse, type Node, type SourceLocation } from "acorn";

/** What the rules of the house need to know of one source file. */
export interface Source {
  /** From the repository's root, with slashes: "src/core/id.ts". */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly functions: readonly FunctionSize[];
  readonly exports: readonly ExportedName[];
  /** Names such as "Date.now" or "process", where they are read from outside. */
  readonly globals: readonly Place[];
  /** Lines with the type `any`. */
  readonly anys: readonly number[];
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  readonly kind: "import" | "type" | "dynamic" | "re-export" | "re-export-all";
}

export interface FunctionSize {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

export interface ExportedName {
  readonly name: string;
  readonly line: number;
  /** Set if the name came in by an import of this file. */
  readonly importedFrom?: string;
}

export interface Place {
  readonly name: string;
  readonly line: number;
}

interface Positioned extends Node {
  readonly loc: SourceLocation;
  readonly [field: string]: unknown;
}

type Visit = (node: Positioned, parents: readonly Positioned[]) => void;

/** Types are blanked, so that every line and column stays; type-only imports are kept as plain ones. */
export function parseSource(path: string, text: string): Source {
  const kept = text.replace(/^(import|export) type(?=\s+[\w$]+\s+from\b|\s*[{*])/gm, "$1     ");
  const stripped = stripTypeScriptTypes(kept);
  const root = parse(stripped, { ecmaVersion: "latest", sourceType: "module", locations: true, allowHashBang: true });
  const found = { imports: [] as Import[], functions: [] as FunctionSize[], globals: [] as Place[] };
  const exports: ExportedName[] = [];
  const imported = new Map<string, string>();
  walk(root as unknown as Positioned, [], (node, parents) => {
    readImport(node, text, imported, found.imports);
    readExport(node, imported, exports);
    readFunction(node, parents, found.functions);
    readGlobal(node, parents, found.globals);
  });
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return { path, lines, ...found, exports, anys: linesWithAny(text, stripTypeScriptTypes(text)) };
}

function walk(node: Positioned, parents: readonly Positioned[], visit: Visit): void {
  visit(node, parents);
  const below = [...parents, node];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (isNode(child)) walk(child, below, visit);
    }
  }
}

function isNode(value: unknown): value is Positioned {
  return typeof value === "object" && value !== null && "type" in value && "loc" in value;
}

const lineOf = (node: Positioned): number => node.loc.start.line;

function nameOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (typeof value["name"] === "string")
    return value.type === "PrivateIdentifier" ? `#${value["name"]}` : value["name"];
  return typeof value["value"] === "string" ? value["value"] : undefined;
}

function readImport(node: Positioned, text: string, imported: Map<string, string>, into: Import[]): void {
  const specifier = nameOf(node["source"]);
  if (specifier === undefined) return;
  const add = (kind: Import["kind"]): void => void into.push({ specifier, line: lineOf(node), kind });
  switch (node.type) {
    case "ImportDeclaration":
      for (const one of node["specifiers"] as Positioned[]) imported.set(nameOf(one["local"]) ?? "", specifier);
      return add(/^import\s+type\b/.test(text.slice(node.start)) ? "type" : "import");
    case "ImportExpression":
      return add("dynamic");
    case "ExportNamedDeclaration":
      return add("re-export");
    case "ExportAllDeclaration":
      return add("re-export-all");
  }
}

function readExport(node: Positioned, imported: ReadonlyMap<string, string>, into: ExportedName[]): void {
  if (node.type === "ExportDefaultDeclaration") into.push({ name: "default", line: lineOf(node) });
  if (node.type !== "ExportNamedDeclaration") return;
  for (const one of node["specifiers"] as Positioned[]) {
    const from = imported.get(nameOf(one["local"]) ?? "");
    const name = nameOf(one["exported"]) ?? "";
    into.push({ name, line: lineOf(one), ...(from === undefined ? {} : { importedFrom: from }) });
  }
}

function readFunction(node: Positioned, parents: readonly Positioned[], into: FunctionSize[]): void {
  if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return;
  const parent = parents.at(-1);
  const name = nameOf(node["id"]) ?? nameOf(parent?.["key"]) ?? nameOf(parent?.["id"]) ?? "anonymous";
  into.push({ name, line: lineOf(node), lines: node.loc.end.line - lineOf(node) + 1 });
}

/** Reads of names that the file does not own: `x.name` and `{ name: … }` are not reads of `name`. */
function readGlobal(node: Positioned, parents: readonly Positioned[], into: Place[]): void {
  if (node.type !== "Identifier") return;
  const parent = parents.at(-1);
  const isProperty = parent?.["computed"] !== true && (parent?.["property"] === node || parent?.["key"] === node);
  if (isProperty) return;
  const name = nameOf(node) ?? "";
  const member =
    parent?.type === "MemberExpression" && parent["object"] === node ? nameOf(parent["property"]) : undefined;
  const isBareNew = parent?.type === "NewExpression" && (parent["arguments"] as unknown[]).length === 0;
  into.push({
    name: isBareNew ? `new ${name}()` : member === undefined ? name : `${name}.${member}`,
    line: lineOf(node),
  });
}

/** What stripping blanked is type text; there, `any` as a word that is not a property's name is the type. */
function linesWithAny(text: string, stripped: string): number[] {
  let types = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    types += char === "\n" || stripped.charAt(at) !== char ? char : " ";
  }
  const blank = (match: string): string => match.replace(/[^\n]/g, " ");
  const bare = types.replace(/"[^"\n]*"|'[^'\n]*'|\/\*[^]*?\*\/|\/\/.*/g, blank);
  return [...bare.matchAll(/(?<![\w$.])any(?![\w$])(?!\??\s*:|\s*\()/g)].map(
    (match) => bare.slice(0, match.index).split("\n").length,
  );
}
