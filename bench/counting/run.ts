/** `./pawl bench counting`: MB/s of counting tokens, and the longest that one count holds the event loop, on hostile text. */
import { parseArgs } from "node:util";
import { userText, type Message } from "../../src/core/message.ts";
import { countTokensOf } from "../../src/models/token-count.ts";
import { bar, machine, median, short, table } from "../table.ts";

const HELP = `./pawl bench counting [OPTIONS]
  --kb N       size of each text (1024)
  --rounds N   rounds, in turn (7)`;

const LONGEST_MS = 50;

const { values } = parseArgs({
  options: {
    kb: { type: "string", default: "1024" },
    rounds: { type: "string", default: "7" },
    help: { type: "boolean", default: false },
  },
});

/** Each begins with its round: the same text is counted once and remembered. */
const texts: { readonly [name: string]: (chars: number, round: number) => string } = {
  "English prose": (chars) => filled("The committee met again on Tuesday to discuss what nobody had read. ", chars),
  "one letter": (chars) => "a".repeat(chars),
  "one emoji": (chars) => "🙂".repeat(chars / 2),
  "emoji with joiners": (chars) => filled("👩‍👩‍👧‍👦🏳️‍🌈👍🏽", chars),
  base64: (chars, round) => noise(chars, round, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
  "Chinese, no spaces": (chars, round) =>
    noise(chars, round, "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生"),
  "special tokens": (chars) => filled("<|endoftext|><|im_start|>", chars),
  "line breaks": (chars) => "\n".repeat(chars),
  "lone surrogates": (chars) => "\uD83D".repeat(chars),
};

function filled(with_: string, chars: number): string {
  return with_.repeat(Math.ceil(chars / with_.length)).slice(0, chars);
}

function noise(chars: number, seed: number, letters: string): string {
  let state = seed + 1;
  let text = "";
  for (let i = 0; i < chars; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    text += letters[(state >>> 8) % letters.length] ?? "a";
  }
  return text;
}

interface Round {
  readonly mbPerSecond: number;
  readonly longestMs: number;
}

/** One long message, then a conversation of many: a count is synchronous, so the longest one is the longest block. */
function round(text: string): Round {
  const whole = ask([userText(text)]);
  const pieces = Array.from({ length: 64 }, (_, i) =>
    userText(text.slice((i * text.length) / 64, ((i + 1) * text.length) / 64)),
  );
  const many = ask(pieces);
  const bytes = 2 * Buffer.byteLength(text);
  return { mbPerSecond: bytes / 1e6 / ((whole + many) / 1_000), longestMs: Math.max(whole, many) };
}

/** CPU of this thread: a machine that has other work to do takes longer, and says nothing about the count. */
function ask(messages: readonly Message[]): number {
  const before = process.threadCpuUsage();
  countTokensOf({ system: "", messages, tools: [], params: { maxOutputTokens: 1 } });
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

function main(kb: number, rounds: number): void {
  console.log(
    `${machine()}\n${kb} k characters as one message, then as 64; each text is new to the counter; CPU of the thread\n\nraw rounds`,
  );
  ask([userText("warm")]);
  const seen = new Map<string, Round[]>(Object.keys(texts).map((name) => [name, []]));
  for (let n = 0; n < rounds; n++) {
    for (const [name, make] of Object.entries(texts)) seen.get(name)?.push(round(`${n} ${make(kb * 1_024, n)}`));
  }
  const rows = [...seen].map(([name, list]) => {
    console.log(`  ${name.padEnd(20)} ms ${list.map(({ longestMs }) => short(longestMs)).join(" ")}`);
    const speeds = list.map(({ mbPerSecond }) => mbPerSecond);
    return { name, speed: median(speeds), longest: Math.max(...list.map(({ longestMs }) => longestMs)) };
  });
  console.log(
    `\n${table(
      ["text", "MB/s", "longest ms"],
      rows.map(({ name, speed, longest }) => [name, short(speed), short(longest)]),
    )}\n`,
  );
  const longest = Math.max(...rows.map((row) => row.longest));
  const slowest = Math.min(...rows.map(({ speed }) => speed));
  console.log(
    `${bar("longest block of the event loop", longest, LONGEST_MS, " ms")}; slowest text ${short(slowest)} MB/s`,
  );
}

if (values.help) console.log(HELP);
else main(Number(values.kb), Number(values.rounds));
