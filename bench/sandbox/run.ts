/** `./pawl bench sandbox`: what it costs to run a piece of code apart, in each engine that this machine has. */
import { execFile } from "node:child_process";
import { parseArgs, promisify } from "node:util";
import type { CodeKind } from "../../src/core/sandbox-contract.ts";
import { bubblewrap, justBash, quickJs, runc, sandbox } from "../../src/sandbox.ts";
import { machine, median, short, table } from "../table.ts";

const HELP = `./pawl bench sandbox [OPTIONS]
  --rounds N   runs of each kind of code in each engine (20)`;

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "20" }, help: { type: "boolean", default: false } },
});

const pieces: Readonly<Record<CodeKind, { readonly code: string; readonly bare: readonly [string, ...string[]] }>> = {
  python: { code: "print(6 * 7)", bare: ["/usr/bin/python3", "-I", "-c", "print(6 * 7)"] },
  javascript: { code: "console.log(6 * 7)", bare: [process.execPath, "-e", "console.log(6 * 7)"] },
  shell: { code: "echo 42", bare: ["sh", "-c", "echo 42"] },
};

interface Row {
  readonly kind: CodeKind;
  readonly where: string;
  readonly firstMs: number;
  readonly ms: number;
}

/** The first run, and the median of those after it. */
async function timed(rounds: number, once: () => Promise<string>): Promise<{ firstMs: number; ms: number }> {
  const times: number[] = [];
  for (let i = 0; i <= rounds; i++) {
    const before = performance.now();
    const said = await once();
    if (said.trim() !== "42") throw new Error(`it said ${JSON.stringify(said.slice(0, 200))} in place of 42`);
    times.push(performance.now() - before);
  }
  const [firstMs = Number.NaN, ...later] = times;
  return { firstMs, ms: median(later) };
}

async function rowsOf(kind: CodeKind, rounds: number): Promise<readonly Row[]> {
  const [program, ...args] = pieces[kind].bare;
  const run = promisify(execFile);
  const bare = await timed(rounds, async () => (await run(program, args)).stdout).catch(() => null);
  const rows: Row[] = bare === null ? [] : [{ kind, where: "a bare child process", ...bare }];
  for (const engine of [bubblewrap, quickJs, justBash, runc()]) {
    if (!engine.kinds.includes(kind)) continue;
    const box = await sandbox({ engines: [engine], requires: ["network"] });
    try {
      if (box.reports[kind] === undefined) continue;
      const signal = AbortSignal.timeout(600_000);
      const made = await timed(rounds, async () => (await box.run(kind, pieces[kind].code, [], { signal })).stdout);
      rows.push({ kind, where: engine.name, ...made });
    } finally {
      await box.close();
    }
  }
  return rows;
}

async function main(): Promise<void> {
  console.log(machine());
  const rows: Row[] = [];
  for (const kind of ["python", "javascript", "shell"] as const)
    rows.push(...(await rowsOf(kind, Number(values.rounds))));
  const bareOf = (kind: CodeKind): number => rows.find((row) => row.kind === kind)?.ms ?? Number.NaN;
  console.log(
    table(
      ["code, where", "first, ms", "then, ms", "over bare, ms"],
      rows.map(({ kind, where, firstMs, ms }) => [
        `${kind}, ${where}`,
        short(firstMs),
        short(ms),
        short(Math.max(0, ms - bareOf(kind))),
      ]),
    ),
  );
}

if (values.help) console.log(HELP);
else await main();
