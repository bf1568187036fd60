import type { BudgetLine, RunDetail } from "../api/types.ts";
import { countText, usdText } from "../format/figures.ts";

/** Spent and reserved of each cap: what is reserved is taken before a call and settled after it. */
export function BudgetBars({ budget }: { readonly budget: RunDetail["budget"] }) {
  return (
    <div className="flex flex-col gap-2.5">
      <Bar name="Tokens" line={budget.tokens} text={countText} />
      <Bar name="Cost" line={budget.costNanoUsd} text={usdText} />
      <Bar name="Tool calls" line={budget.calls} text={countText} />
      <Bar name="Turns" line={{ ...budget.turns, reserved: 0 }} text={countText} />
    </div>
  );
}

function Bar({
  name,
  line,
  text,
}: {
  readonly name: string;
  readonly line: BudgetLine;
  readonly text: (amount: number) => string;
}) {
  const { cap, spent, reserved } = line;
  const share = (amount: number): string => `${cap === null || cap === 0 ? 0 : Math.min(100, (amount / cap) * 100)}%`;
  const isNear = cap !== null && spent + reserved > cap * 0.9;
  return (
    <div>
      <div className="flex items-baseline justify-between gap-3 text-xs tabular">
        <span className="text-faint">{name}</span>
        <span>
          {text(spent)}
          {reserved > 0 ? <span className="text-run"> + {text(reserved)} reserved</span> : null}
          <span className="text-faint"> {cap === null ? "no cap" : `of ${text(cap)}`}</span>
        </span>
      </div>
      {cap === null ? null : (
        <div className="mt-1 flex h-1 overflow-hidden rounded-full bg-line" aria-hidden="true">
          <div className={isNear ? "bg-wait" : "bg-ok"} style={{ width: share(spent) }} />
          <div className="bg-run opacity-60" style={{ width: share(reserved) }} />
        </div>
      )}
    </div>
  );
}
