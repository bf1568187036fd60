import { useState } from "react";
import { Link } from "wouter";
import { may, useSession } from "../api/session.ts";
import { useBudgets } from "../api/usage.ts";
import type { DeclaredBudget } from "../api/types.ts";
import { agoText, exactTime, inWords } from "../format/figures.ts";
import { useNow } from "../format/use-now.ts";
import { oneLine } from "../format/visible-text.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";
import { Problem } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";
import { amountText } from "./amount-text.ts";
import { CapDialog } from "./cap-dialog.tsx";

const modes = {
  hard: { tone: "bad", about: "Refuses what does not fit; its run waits for budget." },
  soft: { tone: "wait", about: "Never refuses, and warns." },
  shadow: { tone: "none", about: "Never refuses; the record says what it would have refused." },
} as const;

/** Declared budgets: what is used, what is taken before a call and not settled, what is left, until when. */
export function BudgetList() {
  const budgets = useBudgets();
  const session = useSession().data;
  const [changed, setChanged] = useState<string | null>(null);
  if (budgets.data === undefined) return budgets.error === null ? null : <Problem error={budgets.error} />;
  const lines = budgets.data.items;
  const names = [...new Set(lines.map(({ name }) => name))];
  if (names.length === 0) return <NoBudgets />;
  return (
    <>
      <div className="mb-3 flex flex-wrap items-baseline justify-between gap-x-4">
        <p className="text-soft">Each call takes its worst case before it starts and settles what it cost.</p>
        <Link href="/runs?status=awaiting_budget" className="linkish">
          Runs that wait for budget
        </Link>
      </div>
      <ul className="flex flex-col gap-3">
        {names.map((name) => (
          <BudgetCard
            key={name}
            lines={lines.filter((line) => line.name === name)}
            onChange={may(session, "operate") ? () => setChanged(name) : null}
          />
        ))}
      </ul>
      {changed === null ? null : (
        <CapDialog
          key={changed}
          name={changed}
          lines={lines.filter(({ name }) => name === changed)}
          onClose={() => setChanged(null)}
        />
      )}
    </>
  );
}

function BudgetCard({
  lines,
  onChange,
}: {
  readonly lines: readonly DeclaredBudget[];
  /** null: this person may not. */
  readonly onChange: (() => void) | null;
}) {
  const now = useNow(true, 30_000);
  const [first] = lines;
  if (first === undefined) return null;
  const { name, scope, window, mode, endsAt, setBy, setAt } = first;
  return (
    <li className="card px-4 py-3" data-budget={name}>
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="font-medium">{name}</h2>
        <Pill tone={modes[mode].tone} title={modes[mode].about}>
          {mode}
        </Pill>
        <span className="flex-1 text-xs text-faint">
          each {scope}, {window === "run" ? "for the whole of a run" : `by the ${window}`}
          {endsAt === null ? "" : `; the next ${window} begins ${inWords(endsAt, now)}`}
        </span>
        {onChange === null ? null : (
          <Button icon="edit" aria-label={`Change the cap of ${name}`} onClick={onChange}>
            Change
          </Button>
        )}
      </div>
      {setBy === null ? null : (
        <p className="mt-1 text-xs text-wait">
          In place of the declared cap, set by {oneLine(setBy, 60)}
          {setAt === null ? null : <span title={exactTime(setAt)}>, {agoText(setAt, now)}</span>}
        </p>
      )}
      <div className="mt-3 flex flex-col gap-3">
        {lines.map((line) => (
          <Bar key={`${line.key} ${line.unit}`} line={line} />
        ))}
      </div>
    </li>
  );
}

function Bar({ line }: { readonly line: DeclaredBudget }) {
  const { key, unit, cap, used, reserved, left, window } = line;
  const share = (amount: number): string => `${cap === 0 ? 0 : Math.min(100, (amount / cap) * 100)}%`;
  const isOut = left !== null && left <= 0;
  const isNear = left !== null && left < cap * 0.2;
  return (
    <div>
      <div className="flex flex-wrap items-baseline justify-between gap-x-3 text-xs tabular">
        <span className="min-w-0 truncate">
          {key === null ? (
            <span className="text-faint">{window === "run" ? "each run by itself" : "nothing used yet"}</span>
          ) : (
            oneLine(key, 60)
          )}
        </span>
        <span>
          {used === null ? null : <>{amountText(unit, used)} used, </>}
          {reserved === null || reserved === 0 ? null : (
            <span className="text-run">{amountText(unit, reserved)} reserved, </span>
          )}
          {left === null ? null : (
            <span className={isOut ? "font-medium text-bad" : ""}>
              {left < 0 ? `${amountText(unit, -left)} over` : `${amountText(unit, left)} left`},{" "}
            </span>
          )}
          <span className="text-faint">cap {amountText(unit, cap)}</span>
        </span>
      </div>
      {used === null ? null : (
        <div className="mt-1 flex h-1.5 overflow-hidden rounded-full bg-line" aria-hidden="true">
          <div className={isOut ? "bg-bad" : isNear ? "bg-wait" : "bg-ok"} style={{ width: share(used) }} />
          <div className="bg-run opacity-60" style={{ width: share(reserved ?? 0) }} />
        </div>
      )}
    </div>
  );
}

function NoBudgets() {
  return (
    <Empty icon="guard" title="No budgets are declared">
      <p>
        A budget caps what each user, agent, thread or tool may use in an hour, a day or a month: over all runs, before
        the call. Declare them in pawl.config.ts:
      </p>
      <pre
        className="max-w-full overflow-x-auto rounded-md bg-sunken p-3 text-left font-mono text-xs text-ink"
        tabIndex={0}
      >
        {'budgets: [\n  { name: "each-user", scope: "user", window: "day", costUsd: 5 },\n]'}
      </pre>
    </Empty>
  );
}
