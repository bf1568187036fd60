import { durationText } from "../format/figures.ts";
import { useNow } from "../format/use-now.ts";

/** A duration that ticks while there is no end yet, and only then. */
export function Elapsed({ from, to }: { readonly from: number; readonly to: number | null }) {
  const now = useNow(to === null);
  return durationText(Math.max(0, (to ?? now) - from));
}
