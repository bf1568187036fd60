/** A line of two texts laid beside each other: `same`, only in the old one, or only in the new one. */
export interface DiffLine {
  readonly type: "same" | "old" | "new";
  readonly text: string;
}

const LINES_MAX = 600;

/** The longest common lines stay; too long texts are shown as replaced whole. */
export function lineDiff(before: string, after: string): readonly DiffLine[] {
  const a = before.split("\n");
  const b = after.split("\n");
  if (a.length > LINES_MAX || b.length > LINES_MAX)
    return [...a.map((text) => ({ type: "old", text }) as const), ...b.map((text) => ({ type: "new", text }) as const)];
  const table = commonLengths(a, b);
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const one = a[i];
    const two = b[j];
    if (one !== undefined && one === two) {
      lines.push({ type: "same", text: one });
      i++;
      j++;
    } else if (one !== undefined && (two === undefined || lengthAt(table, i + 1, j) >= lengthAt(table, i, j + 1))) {
      lines.push({ type: "old", text: one });
      i++;
    } else {
      lines.push({ type: "new", text: two ?? "" });
      j++;
    }
  }
  return lines;
}

type Table = readonly (readonly number[])[];
const lengthAt = (table: Table, i: number, j: number): number => table[i]?.[j] ?? 0;

function commonLengths(a: readonly string[], b: readonly string[]): Table {
  const table: number[][] = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  for (let i = a.length - 1; i >= 0; i--) {
    const row = table[i];
    if (row === undefined) continue;
    for (let j = b.length - 1; j >= 0; j--)
      row[j] =
        a[i] === b[j]
          ? lengthAt(table, i + 1, j + 1) + 1
          : Math.max(lengthAt(table, i + 1, j), lengthAt(table, i, j + 1));
  }
  return table;
}
