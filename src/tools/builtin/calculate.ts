import { type Expression, parseExpressionAt, type PrivateIdentifier, type SpreadElement, type Super } from "acorn";
import { z } from "zod";
import { errorText } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { ToolDefinition } from "../../core/tool-contract.ts";
import { tool } from "../tool.ts";

export type Calculation =
  | { readonly expression: string; readonly result: number; readonly note?: string }
  | { readonly expression: string; readonly error: string };

/** Digits that a double surely has: 0.1 + 0.2 is 0.3. */
const EXACT_DIGITS = 15;

const NAMES: { readonly [name: string]: number } = { pi: Math.PI, e: Math.E };
const FUNCTIONS: { readonly [name: string]: (...numbers: number[]) => number } = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  round: (x = Number.NaN, digits = 0) => Math.round(x * 10 ** digits) / 10 ** digits,
  sqrt: Math.sqrt,
  exp: Math.exp,
  ln: Math.log,
  log10: Math.log10,
  min: Math.min,
  max: Math.max,
  sum: (...all) => all.reduce((sum, x) => sum + x, 0),
  mean: (...all) => all.reduce((sum, x) => sum + x, 0) / all.length,
};
const OPERATORS: { readonly [operator: string]: (a: number, b: number) => number } = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
  "**": (a, b) => a ** b,
};

/**
 * Works out an arithmetic expression. It is parsed and walked, never run: numbers, + - * / % **, parentheses, and the
 * names and functions above; anything else is refused. `^` is a power, `×` and `÷` work, `15%` before `of` is a share.
 */
export function calculation(expression: string): Calculation {
  try {
    const value = valueOf(parsed(expression));
    if (!Number.isFinite(value)) {
      return { expression, error: "The result is not a finite number (a division by zero, or too large)." };
    }
    if (Number.isSafeInteger(value)) return { expression, result: value };
    const result = Number(value.toPrecision(EXACT_DIGITS));
    if (Math.abs(value) < Number.MAX_SAFE_INTEGER) return { expression, result };
    return { expression, result, note: `Rounded to ${EXACT_DIGITS} digits.` };
  } catch (error) {
    const reason = error instanceof Refusal ? error.message : `It cannot be read: ${errorText(error, 120)}.`;
    return {
      expression,
      error: `${reason} Allowed: numbers, + - * / % ** ( ), ${Object.keys(FUNCTIONS).join(", ")}, pi, e.`,
    };
  }
}

class Refusal extends Error {}

function parsed(expression: string): Expression {
  if (expression.length > limits.expressionChars)
    throw new Refusal(`It is longer than ${limits.expressionChars} characters.`);
  const script = expression
    .replace(/(\d(?:[\d.]*\d)?)\s*%\s*of\b/gi, "$1/100*")
    .replaceAll("^", "**")
    .replaceAll(/[×·]/g, "*")
    .replaceAll("÷", "/")
    .replaceAll("−", "-");
  const tree = parseExpressionAt(script, 0, { ecmaVersion: 2022 });
  const rest = script.slice(tree.end).trim();
  if (rest !== "") throw new Refusal(`"${rest.slice(0, 20)}" is left over.`);
  return tree;
}

function valueOf(node: Expression | SpreadElement | PrivateIdentifier | Super): number {
  switch (node.type) {
    case "Literal":
      // 010 is eight to a parser and ten to a person
      if (typeof node.value === "number" && !/^0\d/.test(node.raw ?? "")) return node.value;
      throw new Refusal(`${String(node.raw).slice(0, 20)} is not a number.`);
    case "ParenthesizedExpression":
      return valueOf(node.expression);
    case "UnaryExpression":
      if (node.operator === "-") return -valueOf(node.argument);
      if (node.operator === "+") return valueOf(node.argument);
      throw new Refusal(`"${node.operator}" is not arithmetic.`);
    case "BinaryExpression":
      return own(OPERATORS, node.operator, "operator")(valueOf(node.left), valueOf(node.right));
    case "Identifier":
      return own(NAMES, node.name, "name");
    case "CallExpression":
      if (node.callee.type !== "Identifier") throw new Refusal("Only named functions can be called.");
      return own(FUNCTIONS, node.callee.name, "function")(...node.arguments.map(valueOf));
    default:
      throw new Refusal(`${node.type} is not arithmetic.`);
  }
}

/** Own members only: `constructor` is not a function of ours. */
function own<T>(table: { readonly [key: string]: T }, key: string, what: string): T {
  const found = Object.hasOwn(table, key) ? table[key] : undefined;
  if (found === undefined) throw new Refusal(`"${key.slice(0, 20)}" is not a known ${what}.`);
  return found;
}

export const calculate: ToolDefinition = tool({
  name: "calculate",
  version: "1",
  description: "Calculates an arithmetic expression. Use it for every sum, difference, share or conversion.",
  inputSchema: z.object({
    expression: z.string().min(1).max(limits.expressionChars).describe('Arithmetic expression, e.g. "(3 + 4) * 2.5"'),
  }),
  effect: "pure",
  execute: ({ expression }) => calculation(expression),
});
