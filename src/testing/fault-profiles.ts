/** What can go wrong with a model request; the names are those of the counts. */
export type ModelFault =
  | "rateLimited"
  | "serverError"
  | "noFirstByte"
  | "cutStream"
  | "notAnAnswer"
  | "unknownTool"
  | "malformedJson"
  | "schemaBreach"
  | "wrongValue"
  | "repeatsLastCall"
  | "emptyAnswer"
  | "cutInsideCall";

/**
 * How often each fault happens. Model faults are probabilities per request; `loop` is per run, for the run's tool calls
 * to become the same again and again. The figures are calibrated on published logs and on trajectories counted by hand;
 * the bursts make them honest: independent errors flatter every retry policy.
 */
export interface FaultProfile {
  readonly model: { readonly [fault in ModelFault]: number };
  /** Probability, per run, of three and more equal calls in a row. */
  readonly loop: number;
  /** Share of time in a storm, in which half of all requests are refused or fail. */
  readonly stormShare: number;
  /** Per tool call. For those who test tools and workers: the faulty model does not use the last two. */
  readonly tool: {
    readonly refusedByRule: number;
    readonly failedBeforeActing: number;
    readonly actedButResponseLost: number;
  };
  readonly worker: { readonly killedPerRun: number };
}

export type FaultProfileName = "calm" | "normal" | "badDay" | "openWeightHost";

const percent = (value: number): number => value / 100;

/** One column of the table: 12 model faults, loop, three tool faults, worker killed, storm share; all in percent. */
function profile(column: readonly number[], stormSharePercent: number): FaultProfile {
  const at = (row: number): number => percent(column[row] ?? 0);
  return {
    model: {
      rateLimited: at(0),
      serverError: at(1),
      noFirstByte: at(2),
      cutStream: at(3),
      notAnAnswer: at(4),
      unknownTool: at(5),
      malformedJson: at(6),
      schemaBreach: at(7),
      wrongValue: at(8),
      repeatsLastCall: at(9),
      emptyAnswer: at(11),
      cutInsideCall: at(12),
    },
    loop: at(10),
    stormShare: percent(stormSharePercent),
    tool: { refusedByRule: at(13), failedBeforeActing: at(14), actedButResponseLost: at(15) },
    worker: { killedPerRun: at(16) },
  };
}

/** The four days that everything is tuned against. On calm days storms are rare enough to leave out. */
export const faultProfiles: { readonly [name in FaultProfileName]: FaultProfile } = {
  calm: profile([0.5, 0.2, 0.05, 0.1, 0.02, 0.05, 0.05, 0.1, 2, 0.2, 0.1, 0.1, 0.05, 4, 0.2, 0.05, 0], 0),
  normal: profile([2, 1, 0.2, 0.4, 0.1, 0.2, 0.3, 1, 5, 0.5, 0.5, 0.4, 0.3, 6, 1, 0.3, 1], 2),
  badDay: profile([6, 4, 1, 1.5, 0.3, 0.5, 1, 3, 8, 2, 2, 1, 0.5, 8, 3, 1, 10], 20),
  openWeightHost: profile([4, 2, 0.5, 0.8, 0.2, 1, 2, 8, 10, 2, 2, 1, 1, 8, 1, 0.3, 1], 2),
};

/** Half of all requests fail in a storm, unless so many would be more than the mean. */
const STORM_RATE_MAX = 0.5;

/**
 * Rates of refusals and server errors inside and outside storms, so that their mean over time is the profile's.
 * On a bad day all of them come in storms.
 */
export function stormRates(of: FaultProfile): { readonly storm: number; readonly calm: number } {
  const mean = of.model.rateLimited + of.model.serverError;
  if (of.stormShare === 0) return { storm: mean, calm: mean };
  const storm = Math.min(STORM_RATE_MAX, mean / of.stormShare);
  return { storm, calm: Math.max(0, (mean - of.stormShare * storm) / (1 - of.stormShare)) };
}
