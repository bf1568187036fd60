/** Every way by which a text from outside comes before a model, with the real tool or server of each. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { z } from "zod";
import { tool } from "pawl";
import { McpServer } from "pawl/mcp";
import { documentTools, httpFetch, readFileTool } from "pawl/tools";
import type { JsonObject } from "../../src/core/json.ts";
import type { ToolDefinition, ToolSource } from "../../src/core/tool-contract.ts";

/** A batch of texts behind one entrance. */
export interface Entered {
  readonly tools: readonly (ToolDefinition | ToolSource)[];
  /** Calls that bring the texts, one each where they are results. */
  readonly calls: readonly { readonly tool: string; readonly input: JsonObject }[];
  close?(): Promise<void>;
}
export interface Batch {
  readonly texts: readonly string[];
  /** Of the first of them in `file`. */
  readonly first: number;
  /** Where they are kept, for other processes. */
  readonly file: string;
}
type Entrance = (batch: Batch) => Entered | Promise<Entered>;

const reading = z.object({ n: z.number() });
const parts = { version: "1", effect: "pure", attempts: 1 } as const;

/** A tool of our own that gives, or throws, the texts. */
const own =
  (give: (text: string) => unknown): Entrance =>
  ({ texts }) => ({
    tools: [
      tool({
        ...parts,
        name: "read",
        description: "Reads.",
        inputSchema: reading,
        execute: ({ n }) => give(texts[n] ?? ""),
      }),
    ],
    calls: texts.map((_, n) => ({ tool: "read", input: { n } })),
  });

function described({ texts }: Batch): Entered {
  const tools = texts.map((text, n) =>
    tool({
      ...parts,
      name: `read${n}`,
      description: text,
      inputSchema: z.object({ a: z.string().optional().describe(text) }),
      execute: () => "read",
    }),
  );
  return { tools, calls: [{ tool: "read0", input: {} }] };
}

async function inFolder(
  texts: readonly string[],
  tools: (root: string) => Promise<Entered> | Entered,
): Promise<Entered> {
  const root = await mkdtemp(join(tmpdir(), "pawl-injections-"));
  await Promise.all(texts.map((text, n) => writeFile(join(root, `${n}.txt`), text)));
  const entered = await tools(root);
  return {
    ...entered,
    close: async () => {
      await entered.close?.();
      await rm(root, { recursive: true });
    },
  };
}

const file: Entrance = ({ texts }) =>
  inFolder(texts, (root) => ({
    tools: [readFileTool({ root })],
    calls: texts.map((_, n) => ({ tool: "read_file", input: { path: `${n}.txt` } })),
  }));

const document: Entrance = ({ texts }) =>
  inFolder(texts, async (root) => {
    const set = await documentTools({ root });
    return {
      tools: set.tools,
      calls: texts.map((_, n) => ({ tool: "read_document", input: { path: `${n}.txt` } })),
      close: () => Promise.resolve(set.close()),
    };
  });

/** Every other one as plain text: HTML loses what looks like a tag. */
async function page({ texts }: Batch): Promise<Entered> {
  const server = createServer((request, response) => {
    const n = Number(request.url?.slice(1));
    const text = texts[n] ?? "";
    response.setHeader("content-type", `text/${n % 2 === 0 ? "plain" : "html"}; charset=utf-8`);
    response.end(n % 2 === 0 ? text : `<!doctype html><title>${text}</title><body><p>${text}</p></body>`);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    tools: [httpFetch({ hosts: ["127.0.0.1"], ports: [port], allowPrivate: true })],
    calls: texts.map((_, n) => ({ tool: "http_fetch", input: { url: `http://127.0.0.1:${port}/${n}` } })),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const program = join(import.meta.dirname, "injection-process.ts");
const mcp =
  (name: "read" | "fail"): Entrance =>
  ({ texts, first, file: kept }) => {
    const args = [program, kept, String(first), String(texts.length)];
    const server = new McpServer("srv", { command: process.execPath, args });
    return {
      tools: [server],
      calls: texts.map((_, n) => ({ tool: `srv__${name}`, input: { n } })),
      close: () => server.close(),
    };
  };

export const entrances: Readonly<Record<string, Entrance>> = {
  "a tool's result": own((text) => text),
  "a tool's structured result": own((text) => ({ [text.slice(0, 200)]: [text] })),
  "a tool's error": own((text) => {
    throw new Error(text);
  }),
  "a tool's description and schema": described,
  "a file": file,
  "a document": document,
  "a web page": page,
  "an MCP server's results, names and descriptions": mcp("read"),
  "an MCP server's errors": mcp("fail"),
};
