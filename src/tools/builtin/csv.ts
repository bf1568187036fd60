/**
 * The records of a CSV text (RFC 4180): values in quotes may have delimiters, line ends and doubled quotes in them. The
 * delimiter is a comma, a semicolon or a tab: whichever the first line has most of. Empty lines are passed over.
 */
export function* csvRecords(csv: string): Generator<string[]> {
  const text = csv.replace(/^\uFEFF/, "");
  const delimiter = delimiterOf(/^[^\r\n]*/.exec(text)?.[0] ?? "");
  let record: string[] = [];
  for (let at = 0; at < text.length;) {
    const { value, end } = valueAt(text, at, delimiter);
    record.push(value);
    at = end;
    if (text[at] === delimiter) {
      at++;
      if (at < text.length) continue;
      record.push("");
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at++;
    at++;
    if (record.length > 1 || record[0] !== "") yield record;
    record = [];
  }
}

function delimiterOf(line: string): string {
  const count = (one: string): number => line.split(one).length;
  return [",", ";", "\t"].reduce((best, one) => (count(one) > count(best) ? one : best));
}

function valueAt(text: string, from: number, delimiter: string): { readonly value: string; readonly end: number } {
  let value = "";
  let at = from;
  if (text[at] === '"') {
    for (at++; at < text.length; at = at + 2) {
      const close = text.indexOf('"', at);
      value += text.slice(at, close < 0 ? text.length : close);
      at = close < 0 ? text.length : close;
      if (text[at + 1] !== '"') break;
      value += '"';
    }
    at++;
  }
  // what stands behind a closing quote belongs to the value
  const start = at;
  while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at++;
  return { value: value + text.slice(start, at), end: at };
}
