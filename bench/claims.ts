// Runs the command behind every claim of the README and writes what it said into the table. A claim without a command is
// deleted. Usage: ./pawl node bench/claims.ts [--only TEXT]
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Claim {
  readonly claim: string;
  readonly command: string;
  /** Picks the line that says it from the command's output; default: the last line. */
  readonly says?: RegExp;
}

const claims: readonly Claim[] = [
  {
    claim: "Killed at every database write and fsync, a run loses no acknowledged event and doubles no effect",
    command: "./pawl sweep",
    says: /^\s*all\s.*$/m,
  },
  {
    claim: "2,000 seeded schedules of crashes, zombies, lost answers and outside writers keep every promise",
    command: "./pawl simulate --seeds 2000",
  },
  {
    claim: "Eight deliberate engine bugs are each found within 500 seeds",
    command: "./pawl test test/simulation",
  },
  {
    claim: "Between effect and record: repeated with the same key, reconciled, or unknown and asked; counted outside",
    command: "./pawl demo crash",
  },
  {
    claim: "A page that gives orders to a model that obeys sends nothing away",
    command: "./pawl demo attack",
  },
  { claim: "Every store keeps the same contract", command: "./pawl test test/stores" },
  {
    claim: "With no model at all, answers are quoted and cited, and it says when there is none",
    command: "./pawl bench offline",
  },
  {
    claim: "No call starts that does not fit its budget, however many processes want the last unit at once",
    command: "./pawl bench budget-race",
  },
  { claim: "The price of durability beside the bare AI SDK", command: "./pawl bench overhead" },
  { claim: "Waiting costs nothing: parked runs hold no memory and no CPU", command: "./pawl bench parks" },
  {
    claim: "Counting tokens never holds the event loop over 50 ms, whatever the text",
    command: "./pawl bench counting",
  },
  { claim: "A run of 10,000 events goes on as fast as one of 10", command: "./pawl bench resume" },
];

const root = join(import.meta.dirname, "..");
const readme = join(root, "README.md");
const [begin, end] = ["<!-- claims: written by bench/claims.ts -->", "<!-- /claims -->"];
const only = process.argv[process.argv.indexOf("--only") + 1];

function resultOf({ command, says }: Claim): string {
  const run = spawnSync("sh", ["-c", command], {
    cwd: root,
    encoding: "utf8",
    timeout: 60 * 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  const lines = run.stdout.trim().split("\n");
  const line = (says === undefined ? undefined : says.exec(run.stdout)?.[0]) ?? lines.at(-1) ?? "";
  const text = line.replaceAll("|", "/").trim().slice(0, 300);
  return run.status === 0 ? text : `FAILED (exit ${run.status}): ${text}`;
}

/** Results that stand in the README now, by command. */
function knownResults(text: string): Map<string, string> {
  const known = new Map<string, string>();
  for (const row of text.matchAll(/^\| .* \| `(.*)` \| (.*) \|$/gm)) known.set(row[1] ?? "", row[2] ?? "");
  return known;
}

const text = readFileSync(readme, "utf8");
const known = knownResults(text);
const rows = claims.map((claim) => {
  const isWanted = process.argv.includes("--only") ? claim.command.includes(only ?? "") : true;
  const result = isWanted
    ? `${resultOf(claim)} (${new Date().toISOString().slice(0, 10)})`
    : (known.get(claim.command) ?? "not run yet");
  process.stdout.write(`${claim.command}: ${result}\n`);
  return `| ${claim.claim} | \`${claim.command}\` | ${result} |`;
});
const table = ["| claim | command that proves it | last result |", "|---|---|---|", ...rows].join("\n");
const [before, rest] = text.split(begin);
const after = rest?.split(end)[1];
if (before === undefined || after === undefined) throw new Error(`README.md has no "${begin}" … "${end}"`);
writeFileSync(readme, `${before}${begin}\n${table}\n${end}${after}`);
