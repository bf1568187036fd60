// The waterfall shows rows of a tree that the server keeps in depth-first order. Closed rows hide the rows below them: a
// list of closed ranges turns a line on the screen into a place in the tree and back, without holding the tree.

/** A closed row: the rows `position + 1` to `position + below` are hidden. */
export interface ClosedRow {
  readonly position: number;
  readonly below: number;
}

export interface RowPlaces {
  /** Lines on the screen. */
  readonly count: number;
  readonly positionOf: (line: number) => number;
  /** The line of a place; of a hidden one the line of the closed row that hides it. */
  readonly lineOf: (position: number) => number;
}

export function rowPlaces(total: number, closed: readonly ClosedRow[]): RowPlaces {
  const ranges = outermost(closed, total);
  const hidden = ranges.reduce((sum, { below }) => sum + below, 0);
  return {
    count: total - hidden,
    positionOf: (line) => {
      let position = line;
      for (const range of ranges) {
        if (position <= range.position) break;
        position += range.below;
      }
      return position;
    },
    lineOf: (position) => {
      let before = 0;
      for (const range of ranges) {
        if (position <= range.position) break;
        if (position <= range.position + range.below) return range.position - before;
        before += range.below;
      }
      return position - before;
    },
  };
}

/** In order, without those inside of others. */
function outermost(closed: readonly ClosedRow[], total: number): readonly ClosedRow[] {
  const kept: ClosedRow[] = [];
  let end = -1;
  for (const one of closed.toSorted((a, b) => a.position - b.position)) {
    if (one.position <= end || one.below <= 0 || one.position >= total) continue;
    const below = Math.min(one.below, total - one.position - 1);
    kept.push({ position: one.position, below });
    end = one.position + below;
  }
  return kept;
}
