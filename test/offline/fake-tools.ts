import { isJsonObject, type JsonObject, type JsonValue } from "../../src/core/json.ts";
import type { FakeTool } from "./drive.ts";

/** Documents by path. */
export type Folder = { readonly [file: string]: string };

const object = (properties: JsonObject, required: readonly string[]): JsonObject => ({
  type: "object",
  properties,
  required,
});
const text = (input: { readonly [name: string]: JsonValue }, name: string): string => {
  const value = input[name];
  if (typeof value !== "string") throw new Error(`${name} is not given`);
  return value;
};

/** Finds lines that have ALL words, as grep would; its answer is plain text. No name of tool or parameter says a thing. */
export function strictSearch(folder: Folder): FakeTool {
  return {
    spec: {
      name: "alpha",
      description: "Finds lines in the knowledge base. All words must stand in the line.",
      inputSchema: object({ p1: { type: "string", description: "Keywords to look for" } }, ["p1"]),
    },
    run: (input) => {
      const words = text(input, "p1").toLowerCase().split(/\s+/);
      const hits = Object.entries(folder).flatMap(([file, content]) =>
        content
          .split("\n")
          .flatMap((line, i) =>
            words.every((word) => line.toLowerCase().includes(word)) ? [`${file}:${i + 1}: ${line}`] : [],
          ),
      );
      return hits.length === 0 ? "nothing" : hits.join("\n");
    },
  };
}

/** Another shape: objects with other member names, lines without numbers. */
export function reader(folder: Folder): FakeTool {
  return {
    spec: {
      name: "beta",
      description: "Returns part of one text of the knowledge base, line by line.",
      inputSchema: object(
        {
          p1: { type: "string", description: "Path of the text" },
          p2: { type: "integer", description: "First line wanted" },
          p3: { type: "integer", description: "Last line wanted" },
        },
        ["p1", "p2", "p3"],
      ),
    },
    run: (input) => {
      const lines = folder[text(input, "p1")]?.split("\n");
      if (lines === undefined) throw new Error(`no text "${text(input, "p1")}"`);
      const from = Number(input.p2);
      return { where: text(input, "p1"), startsAt: from, body: lines.slice(from - 1, Number(input.p3)).join("\n") };
    },
  };
}

export function lister(folder: Folder): FakeTool {
  return {
    spec: {
      name: "gamma",
      description: "Lists all texts of the knowledge base, files with their sizes.",
      inputSchema: object({}, []),
    },
    run: () => Object.entries(folder).map(([where, content]) => ({ where, size: content.length })),
  };
}

export function planner(plans: JsonValue[]): FakeTool {
  const item = object(
    {
      k: { type: "string", description: "Identifier of the step" },
      w: { type: "string", description: "What is to be done" },
      s: { type: "string", enum: ["open", "active", "done"] },
    },
    ["k", "w", "s"],
  );
  return {
    spec: {
      name: "delta",
      description: "Writes down the plan: the steps that you mean to take.",
      inputSchema: object({ p1: { type: "array", items: item, description: "All steps" } }, ["p1"]),
    },
    run: (input) => {
      plans.push(input.p1 ?? null);
      return "noted";
    },
  };
}

export function calculator(result: JsonValue): FakeTool {
  return {
    spec: {
      name: "epsilon",
      description: "Evaluates an arithmetic expression.",
      inputSchema: object({ p1: { type: "string", description: "The expression" } }, ["p1"]),
    },
    run: () => result,
  };
}

export function saver(saved: JsonObject[], refuses = false): FakeTool {
  return {
    spec: {
      name: "zeta",
      description: "Saves a report for the user.",
      inputSchema: object(
        {
          p1: { type: "string", description: "Title of it" },
          p2: { type: "string", description: "Whole content in Markdown" },
        },
        ["p1", "p2"],
      ),
    },
    run: (input) => {
      if (refuses) throw new Error("a person refused");
      if (isJsonObject(input)) saved.push(input);
      return { file: "x.md" };
    },
  };
}
