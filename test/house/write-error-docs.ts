/** `npm run docs:errors`: brings docs/errors.md in line with the table; what people wrote below a code stays. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorTable } from "../../src/core/error-table.ts";
import { factsOf, readErrorDocs } from "./error-docs.ts";

const root = join(import.meta.dirname, "../..");
const docsPath = join(root, "docs/errors.md");
const intro = `# Errors

Every error of Pawl has a code. The code is stable; the message says what was got, what is allowed and the next step.
\`retry\` says what a caller may do: \`safe\` = repeat as it is; \`read-first\` = the outcome is unknown or the state has moved,
so read it before you decide; \`never\` = the same call will fail again. HTTP is the status of the API's answer.
The facts here are written by \`npm run docs:errors\` from \`src/core/errors.ts\`, and a test compares both ways.
`;

/** The table's comments are the sections: the code that follows a comment opens its section. */
function sectionOf(code: string, source: string): string | undefined {
  return new RegExp(`^ *// (.+)\\n *${code}:`, "m").exec(source)?.[1];
}

const source = readFileSync(join(root, "src/core/errors.ts"), "utf8");
const written = new Map(
  readErrorDocs(existsSync(docsPath) ? readFileSync(docsPath, "utf8") : "").map(({ code, text }) => [code, text]),
);
const parts = Object.entries(errorTable).flatMap(([code, entry]) => {
  const section = sectionOf(code, source);
  const text = written.get(code) ?? "";
  return [
    ...(section === undefined ? [] : [`## ${section.charAt(0).toUpperCase()}${section.slice(1)}\n`]),
    `### ${code}\n\n${factsOf(entry)}\n\n${entry.meaning}\n${text === "" ? "" : `\n${text}\n`}`,
  ];
});
writeFileSync(docsPath, [intro, ...parts].join("\n"));
