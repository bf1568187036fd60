/** Mean length of a storm, ms. */
const STORM_MEAN_MS = 90_000;
/** A process that slept for years does not walk through all its storms. */
const STEPS_MAX = 10_000;

/**
 * Two states of a provider, good and storm, whose lengths are random: the time in storms is `share` of all, and a storm
 * lasts 90 s on average. Asked with a time that goes on, says whether it storms then.
 */
export function stormClock(share: number, random: () => number): (nowMs: number) => boolean {
  if (share <= 0) return () => false;
  const goodMeanMs = (STORM_MEAN_MS * (1 - share)) / share;
  const lengthOf = (mean: number): number => -Math.log(1 - random()) * mean;
  let isStorm = random() < share;
  let untilMs: number | null = null;
  return (nowMs) => {
    untilMs ??= nowMs + lengthOf(isStorm ? STORM_MEAN_MS : goodMeanMs);
    for (let step = 0; untilMs <= nowMs && step < STEPS_MAX; step++) {
      isStorm = !isStorm;
      untilMs += lengthOf(isStorm ? STORM_MEAN_MS : goodMeanMs);
    }
    return isStorm;
  };
}
