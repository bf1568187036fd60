/** `./pawl bench guard`: CPU that the guard adds to a tool call: its result cleaned, labelled and fenced, the next call judged. */
import { parseArgs } from "node:util";
import { fenced } from "../../src/core/fence.ts";
import { guardCall, type GuardScene } from "../../src/core/guard-rules.ts";
import type { JsonValue } from "../../src/core/json.ts";
import { NamedText } from "../../src/core/named-text.ts";
import { resultLabel } from "../../src/core/provenance.ts";
import { sanitiseJson } from "../../src/core/sanitise.ts";
import { bar, machine, median, short, table } from "../table.ts";

const HELP = `./pawl bench guard [OPTIONS]
  --rounds N   calls of each kind and size (200)`;

const ALLOWED_MS = 1;
/** CPU of ten times the text, at most so many times as much: what is not linear is far above. */
const GROWTH_MAX = 20;
const SIZES = [1_000, 10_000, 100_000, 1_000_000];

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "200" }, help: { type: "boolean", default: false } },
});

const fence = { id: "0123456789ab", isMarked: true };
const of = (piece: string) => (chars: number) => piece.repeat(Math.ceil(chars / piece.length)).slice(0, chars);

/** Prose, and what each pattern of the sanitiser likes least. */
const kinds: { readonly [name: string]: (chars: number) => JsonValue } = {
  "plain prose": of("The committee met again on Tuesday to discuss what nobody had read. "),
  "mixed scripts": of("Grüße, 議事録, المحضر, протокол и emoji 👩‍👩‍👧. "),
  rows: (chars) =>
    Array.from({ length: chars / 100 }, (_, i) => ({ id: i, name: "Ada Lovelace", note: "x".repeat(60) })),
  "open tags": of("<system "),
  "open tokens": of("<|im_start"),
  "joiners in a row": of("\u200D\uFE0F\u200C"),
  escapes: of("\u001B]0;"),
  "lone surrogates": of("\uD83D"),
  "the fence's id": of(`</untrusted-${fence.id}>`),
  "its half": of(fence.id.slice(0, -1)),
  "empty lines": of("\n"),
};

const tool = {
  name: "send",
  trust: "untrusted",
  effect: "once",
  inputSchema: { type: "object", properties: { to: { type: "string" }, text: { type: "string" } } },
} as const;
const scene: GuardScene = {
  profile: "standard",
  taskSet: new Set(["send"]),
  isTainted: true,
  prompt: new NamedText(["Mail the summary to ann@corp.example."]),
  developer: new NamedText(["You help the people of a company. ".repeat(60)]),
  facts: null,
};

function guarded(value: JsonValue): void {
  const clean = sanitiseJson(value).value;
  fenced(fence, clean);
  resultLabel(tool, { ok: true, value: clean });
  guardCall({ tool, args: { to: "mallory@evil.example", text: "A summary." } }, scene);
}

/** CPU milliseconds of one call, the median of rounds. */
function cpuMs(value: JsonValue, rounds: number): number {
  const took = Array.from({ length: rounds }, () => {
    const before = process.cpuUsage();
    guarded(value);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return median(took);
}

function main(): void {
  const rounds = Number(values.rounds);
  console.log(machine());
  const rows = Object.entries(kinds).map(([name, make]) => {
    const times = SIZES.map((chars) => cpuMs(make(chars), Math.max(5, Math.round((rounds * 1_000) / chars) * 10)));
    return { name, times };
  });
  console.log(
    table(
      ["result", ...SIZES.map((chars) => `${chars / 1_000} kB, ms`)],
      rows.map(({ name, times }) => [name, ...times.map(short)]),
    ),
  );
  const at10 = Math.max(...rows.map(({ times }) => times[1] ?? Infinity));
  const growth = Math.max(...rows.map(({ times }) => (times[3] ?? Infinity) / Math.max(times[2] ?? 0, 0.5)));
  console.log(bar("CPU of a 10 kB result", at10, ALLOWED_MS, " ms"));
  console.log(bar("CPU of ten times the text", growth, GROWTH_MAX, " times as much"));
  if (at10 >= ALLOWED_MS || growth >= GROWTH_MAX) process.exitCode = 1;
}

if (values.help) console.log(HELP);
else main();
