import { z } from "zod";
import { errorText, isJsonObject, type JsonValue } from "../core/json.ts";
import type { ToolContext, ToolDefinition } from "../core/tool-contract.ts";
import { citationsIn, claimsOf, tool } from "../tools.ts";

const CLAIMS_MAX = 60;
const SHARE_MIN = 0.6;
const QUERY = /`(SELECT [^`]+)`/i;

/** Where a source is read again. */
interface Sources {
  readonly read: ToolDefinition;
  /** null = there are no tables. */
  readonly query: ToolDefinition | null;
}
type Verdict = "supported" | "unsupported" | "unclear";

/**
 * The tool by which a reviewer has every claim of a draft compared with its source, word by word: the cited lines are read
 * again, a query is asked again. What is said in other words is unclear: that is for the reviewer to judge.
 */
export function checkClaims(sources: Sources): ToolDefinition {
  return tool({
    name: "check_claims",
    version: "1",
    description:
      "Checks each claim of a draft against its source: the cited lines are read again, and queries in `backticks` are asked again. Gives each claim with its source, the text found there, and supported, unsupported or unclear.",
    inputSchema: z.object({ text: z.string().min(1).max(100_000).describe("The draft, with its citations") }),
    effect: "pure",
    execute: async ({ text }, ctx) => {
      const [stated = ""] = text.split(/^#+\s*Open questions/im);
      const claims = claimsOf(stated, [])
        .filter((claim) => !claim.text.startsWith("#"))
        .slice(0, CLAIMS_MAX);
      const checked = [];
      for (const claim of claims) checked.push(await checkOne(sources, claim.text, ctx));
      return { claims: checked };
    },
  });
}

async function checkOne(
  { read, query }: Sources,
  text: string,
  ctx: ToolContext,
): Promise<{ readonly claim: string; readonly source: string; readonly verdict: Verdict; readonly found: string }> {
  const sql = QUERY.exec(text)?.[1];
  const [place] = citationsIn(text, []);
  const source = sql ?? place?.text ?? "";
  const claim = text
    .replace(QUERY, "")
    .replace(place?.text ?? "", "")
    .replace(/\s*[([]\s*[)\]]\s*$/, "")
    .trim();
  const asked =
    sql !== undefined && query !== null
      ? { tool: query, input: { sql } }
      : place === undefined
        ? null
        : { tool: read, input: { path: place.file, startLine: place.firstLine, endLine: place.lastLine } };
  if (asked === null) return { claim, source, verdict: "unsupported", found: "it names no source" };
  try {
    const parsed = asked.tool.parseInput(asked.input);
    if (!parsed.ok) return { claim, source, verdict: "unsupported", found: "its source cannot be read" };
    const found = textOf((await asked.tool.execute(parsed.value, ctx)) as JsonValue);
    return { claim, source, verdict: verdictOf(claim, found), found: found.slice(0, 300).toWellFormed() };
  } catch (error) {
    return { claim, source, verdict: "unsupported", found: errorText(error, 200) };
  }
}

/** Quotations and numbers stand there as they are, or most words do. */
function verdictOf(claim: string, found: string): Verdict {
  const there = folded(found);
  const quotes = [...claim.matchAll(/["“]([^"”]{4,})["”]/g)].map(([, quote = ""]) =>
    folded(quote.replace(/\s*…$/, "")),
  );
  const numbers = claim.match(/\d+(?:[.,]\d+)*/g) ?? [];
  if (quotes.some((quote) => !there.includes(quote)) || numbers.some((number) => !there.includes(number)))
    return "unsupported";
  if (quotes.length > 0) return "supported";
  const words = folded(claim)
    .split(" ")
    .filter((word) => word.length > 3);
  const known = words.filter((word) => there.includes(word));
  return words.length === 0 || known.length / words.length >= SHARE_MIN ? "supported" : "unclear";
}

function folded(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}.]+/gu, " ")
    .trim();
}

function textOf(value: JsonValue): string {
  if (typeof value === "string") return value.replaceAll(/^\s*\d+[|:→\t] ?/gm, "");
  if (Array.isArray(value)) return value.map(textOf).join(" ");
  if (isJsonObject(value)) return Object.values(value).map(textOf).join(" ");
  return JSON.stringify(value);
}
