export interface ErrorTable {
  readonly [code: string]: { readonly status: number; readonly retry: string; readonly meaning: string };
}

/** One `### CODE` heading of docs/errors.md, the line of facts, the line that says what it means, and free text. */
export interface DocumentedError {
  readonly code: string;
  readonly facts: string;
  readonly meaning: string;
  readonly text: string;
}

export function readErrorDocs(markdown: string): DocumentedError[] {
  return markdown
    .split(/^(?=##)/m)
    .filter((part) => part.startsWith("### "))
    .map((part) => {
      const [, code = "", facts = "", meaning = "", text = ""] =
        /^### *(.*)\n*(.*)\n*(.*)\n*([^]*)$/.exec(part.trim()) ?? [];
      return { code, facts, meaning, text };
    });
}

export const factsOf = ({ status, retry }: ErrorTable[string]): string => `HTTP ${status} · retry: ${retry}`;

/** What docs/errors.md and the table of errors say differently, both ways; none if they agree. */
export function errorDocProblems(table: ErrorTable, markdown: string): string[] {
  const documented = readErrorDocs(markdown);
  const problems: string[] = [];
  for (const [code, entry] of Object.entries(table)) {
    const found = documented.filter((one) => one.code === code);
    if (found.length !== 1) problems.push(`docs/errors.md has "### ${code}" ${found.length} times, expected once`);
    for (const { facts, meaning } of found) {
      if (facts !== factsOf(entry)) problems.push(`${code}: docs say "${facts}", the table says "${factsOf(entry)}"`);
      if (meaning !== entry.meaning) problems.push(`${code}: docs say "${meaning}", the table says "${entry.meaning}"`);
    }
  }
  for (const { code } of documented) {
    if (!Object.hasOwn(table, code)) problems.push(`docs/errors.md has "### ${code}", which is not in the table`);
  }
  return problems;
}
