import { useState } from "react";
import { useLocation } from "wouter";
import { client as pawl } from "../api/client.ts";
import type { RunDetail } from "../api/types.ts";
import { Field, Words, textsOf } from "./run-dialogs.tsx";
import { limitLines, reachedLimit, type LimitName } from "./stop-text.ts";
import { useRunAction } from "./use-run-action.ts";

interface Props {
  readonly run: RunDetail;
  readonly turn: number;
  readonly isOpen: boolean;
  readonly onClose: () => void;
}

/** A new run from turns of this one. Of a run that was stopped at a limit, with twice that limit, unless another is written. */
export function ForkDialog({ run, turn, ...rest }: Props) {
  const reached = reachedLimit(run);
  const lines = limitLines(run);
  const [at, setAt] = useState(String(turn));
  const [name, setName] = useState<LimitName>(reached?.name ?? "turns");
  const [limit, setLimit] = useState(reached?.cap === null || reached === null ? "" : String(reached.cap * 2));
  const [, navigate] = useLocation();
  const { attempt, isBusy } = useRunAction(run.runId);
  const chosen = Number(at);
  const isTurn = at !== "" && Number.isSafeInteger(chosen) && chosen >= 0 && chosen <= run.totals.turns;
  const value = Number(limit);
  const isLimit = limit.trim() === "" || (value > 0 && (name === "costUsd" || Number.isSafeInteger(value)));
  const line = lines.find((one) => one.name === name);
  const limits = limit.trim() === "" || !isLimit ? {} : { limits: { [name]: value } };
  const body = { turn: isTurn ? chosen : 0, ...limits };
  const send = async (): Promise<void> => {
    await attempt("Forked: this is the new run", async () => {
      const fork = await pawl.forkRun(run.runId, body);
      rest.onClose();
      navigate(`/runs/${encodeURIComponent(fork.runId)}`);
    });
  };
  const asText = "limits" in limits ? ["--limits", JSON.stringify(limits.limits)] : [];
  return (
    <Words
      {...rest}
      title={reached === null ? "Fork this run" : "Raise the limit and go on"}
      about="A new run begins with the first turns of this one: conversation, plan and results are copied, their cost stays with the original. An outside action that was done is never done again by it without asking."
      action={reached === null ? "Fork" : "Go on in a fork"}
      isBusy={isBusy}
      canSend={isTurn && isLimit}
      texts={() => textsOf(run, "fork", body, "forkRun", ["fork", run.runId, "--turn", String(body.turn), ...asText])}
      onSend={() => void send()}
    >
      <Field label={`Turns to keep, 0 to ${run.totals.turns} (0 = only the input)`} value={at} onChange={setAt} />
      <div className="mt-3 grid grid-cols-2 gap-3">
        <Field label="New limit (empty: as it was)" value={limit} onChange={setLimit} />
        <label className="block">
          <span className="label">Of</span>
          <select
            className="field mt-1"
            value={name}
            onChange={(event) => setName(lines.find((one) => one.name === event.target.value)?.name ?? "turns")}
          >
            {lines.map((one) => (
              <option key={one.name} value={one.name}>
                {one.label}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p className="mt-1 text-xs text-faint">
        {line === undefined || line.cap === null
          ? "It has no such limit now. "
          : `This run: ${line.text(line.spent)} of ${line.text(line.cap)}. `}
        {name === "turns" ? "The turns that are kept count." : "The fork begins at 0."}
      </p>
    </Words>
  );
}
