import { Fragment } from "react";
import { piecesOf } from "../format/visible-text.ts";

/** A place in a text to be marked. */
export interface Mark {
  readonly start: number;
  readonly end: number;
  /** Id of what it stands for, so that a click can say more. */
  readonly id: string;
}

/** Text of others as text: hidden characters are named, marks are drawn, nothing is ever markup. */
export function SafeText({
  text,
  offset = 0,
  marks = [],
  onMark,
}: {
  readonly text: string;
  /** Where `text` begins in the whole that the marks are about. */
  readonly offset?: number;
  readonly marks?: readonly Mark[];
  readonly onMark?: ((id: string) => void) | undefined;
}) {
  const cuts = cut(text, offset, marks);
  return cuts.map(({ from, part, mark }) =>
    mark === null ? (
      <Pieces key={from} text={part} />
    ) : (
      <mark key={from} data-mark={mark.id} onClick={onMark === undefined ? undefined : () => onMark(mark.id)}>
        <Pieces text={part} />
      </mark>
    ),
  );
}

interface Cut {
  readonly from: number;
  readonly part: string;
  readonly mark: Mark | null;
}

/** Marks do not overlap in what is drawn: the first one wins. */
function cut(text: string, offset: number, marks: readonly Mark[]): readonly Cut[] {
  const cuts: Cut[] = [];
  let done = 0;
  for (const mark of marks.toSorted((a, b) => a.start - b.start)) {
    const from = Math.max(mark.start - offset, done);
    const to = Math.min(mark.end - offset, text.length);
    if (to <= from) continue;
    if (from > done) cuts.push({ from: done, part: text.slice(done, from), mark: null });
    cuts.push({ from, part: text.slice(from, to), mark });
    done = to;
  }
  if (done < text.length) cuts.push({ from: done, part: text.slice(done), mark: null });
  return cuts;
}

function Pieces({ text }: { readonly text: string }) {
  return piecesOf(text).map((piece) =>
    piece.isGlyph ? (
      <span key={piece.start} className="glyph" title="a character that would not be seen">
        {piece.text}
      </span>
    ) : (
      <Fragment key={piece.start}>{piece.text}</Fragment>
    ),
  );
}
