/** What a stage has to say; tallies are added up. */
export interface Tally {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  /** Lines a test wants to be seen though it passed. */
  readonly notes: readonly string[];
}

export interface Failure {
  readonly place: string;
  readonly detail: string;
}

export interface Skip {
  readonly place: string;
  readonly reason: string;
}

export const nothing: Tally = { passed: 0, failures: [], skips: [], notes: [] };

export const failure = (place: string, detail: string): Tally => ({ ...nothing, failures: [{ place, detail }] });

export function addUp(tallies: readonly Tally[]): Tally {
  return {
    passed: tallies.reduce((sum, { passed }) => sum + passed, 0),
    failures: tallies.flatMap(({ failures }) => failures),
    skips: tallies.flatMap(({ skips }) => skips),
    notes: tallies.flatMap(({ notes }) => notes),
  };
}

/** The one line a run ends with. */
export const totalLine = ({ passed, failures, skips }: Tally): string =>
  `${passed} passed, ${failures.length} failed, ${skips.length} skipped`;

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
