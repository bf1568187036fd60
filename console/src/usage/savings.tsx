import type { ReactNode } from "react";
import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf } from "../actions/copy-texts.ts";
import { useSavings } from "../api/usage.ts";
import { countText, durationText, exactText, usdText } from "../format/figures.ts";
import { Empty } from "../ui/empty.tsx";
import { Problem } from "../ui/problem.tsx";

const RUNS = 1_000;

/** What the newest runs did not spend. */
export function SavingsView() {
  const savings = useSavings(RUNS);
  if (savings.data === undefined)
    return savings.error === null ? (
      <p className="text-soft">Reading the newest runs…</p>
    ) : (
      <Problem error={savings.error} />
    );
  const { routing, cache, compaction, runs, isAll, notRead } = savings.data;
  if (runs === 0)
    return (
      <Empty icon="coin" title="No runs yet">
        <p>What small models, kept results and compactions save is summed here.</p>
      </Empty>
    );
  const texts = () => ({
    curl: curlOf(`/usage/savings?limit=${RUNS}`, null),
    typescript: typescriptOf(`getSavings(${argument({ limit: RUNS })})`),
    cli: cliOf("usage", "--savings", "--limit", String(RUNS)),
  });
  return (
    <div className="flex flex-col gap-3">
      <div className="flex items-center justify-between gap-3">
        <p className="text-soft">
          Of {isAll ? "all" : "the newest"} {exactText(runs)} runs
          {notRead === 0 ? "" : `; ${exactText(notRead)} of them are too long to be read for this`}. What a fork copied
          counts for its original.
        </p>
        <CopyAs what="savings" texts={texts} />
      </div>
      <div className="grid gap-3 md:grid-cols-3">
        <Saving
          title="Kept results"
          figure={cache.savedNanoUsd > 0 ? usdText(cache.savedNanoUsd) : durationText(cache.savedMs)}
        >
          {cache.hits === 0 ? (
            <>
              No call was answered by a kept result yet. Results are kept where a tool or a route says{" "}
              <code>cache</code>.
            </>
          ) : (
            `${exactText(cache.hits)} calls were answered by a kept result; they would have taken ${durationText(cache.savedMs)}${
              cache.savedNanoUsd > 0 ? ` and ${usdText(cache.savedNanoUsd)}` : ""
            }.`
          )}
        </Saving>
        <Saving title="Small models" figure={usdText(routing.savedNanoUsd)}>
          {routing.asked === 0 ? (
            <>
              No question went to a small model first yet. <code>decide()</code> asks one.
            </>
          ) : (
            `${exactText(routing.asked)} questions went to a small model first, ${exactText(routing.escalated)} of them on to a larger one.${
              routing.unpriced === 0 ? "" : ` Of ${exactText(routing.unpriced)} no price is known.`
            }`
          )}
        </Saving>
        <Saving title="Compactions" figure={`${countText(compaction.savedTokens)} tokens`}>
          {compaction.compactions === 0
            ? "No conversation was so long that its older turns were made shorter."
            : `${exactText(compaction.compactions)} times older turns were made shorter; later requests had so many tokens less, by estimate. The summaries cost ${usdText(compaction.paidNanoUsd)}.`}
        </Saving>
      </div>
    </div>
  );
}

function Saving({
  title,
  figure,
  children,
}: {
  readonly title: string;
  readonly figure: string;
  readonly children: ReactNode;
}) {
  return (
    <section className="card px-4 py-3" aria-label={title}>
      <h2 className="label">{title}</h2>
      <p className="text-xl font-semibold tabular">{figure}</p>
      <p className="mt-1 text-sm text-soft [&_code]:font-mono [&_code]:text-xs">{children}</p>
    </section>
  );
}
