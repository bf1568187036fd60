// Map-reduce over files: each is counted by a step of its own, three at a time, and a reducer adds the counts up.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { channel, END, graph, pawl, START } from "pawl";
import { sqlite } from "pawl/sqlite";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = import.meta.dirname;

const counts = graph({
  name: "count-lines",
  state: {
    files: channel.replace<string[]>([]),
    lines: channel.reduce(0, (sum: number, more: number) => sum + more),
    longest: channel.reduce({ file: "", lines: 0 }, (a: { file: string; lines: number }, b: typeof a) => (b.lines > a.lines ? b : a)),
  },
  output: ({ files, lines, longest }) => ({ files: files.length, lines, longest }),
})
  .addNode("list", async () => ({ files: (await readdir(folder)).filter((name) => name.endsWith(".ts")).toSorted() }), { effect: "pure" })
  .addMap("count", ({ files }) => files, async (file) => {
    const { length } = (await readFile(join(folder, file), "utf8")).trimEnd().split("\n");
    return { lines: length, longest: { file, lines: length } };
  }, { effect: "pure", concurrency: 3, attemptsMax: 2 })
  .addEdge(START, "list")
  .addEdge("list", "count")
  .addEdge("count", END)
  .compile();

const app = pawl({ store: sqlite(`${temporaryFolder()}/pawl.db`), agents: [counts] });
const result = await (await app.start(counts, { input: {} })).result();
console.log(result.status, result.status === "completed" ? result.output : result);
await app.close();
