import { useState, type ReactNode } from "react";
import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf, type CopyTexts } from "../actions/copy-texts.ts";
import { client as pawl } from "../api/client.ts";
import type { BudgetScope, JsonValue, RunDetail } from "../api/types.ts";
import { usdText } from "../format/figures.ts";
import { Button } from "../ui/button.tsx";
import { Dialog, DialogActions } from "../ui/dialog.tsx";
import { useRunAction } from "./use-run-action.ts";

interface Props {
  readonly run: RunDetail;
  readonly isOpen: boolean;
  readonly onClose: () => void;
}

/** The same for every word that is said to a run: what follows from it, a field, and the same thing for a script. */
export function Words({
  title,
  about,
  action,
  isBad = false,
  isBusy,
  canSend,
  texts,
  onSend,
  children,
  ...rest
}: Omit<Props, "run"> & {
  readonly title: string;
  readonly about: string;
  readonly action: string;
  readonly isBad?: boolean;
  readonly isBusy: boolean;
  readonly canSend: boolean;
  readonly texts: () => CopyTexts;
  readonly onSend: () => void;
  readonly children: ReactNode;
}) {
  return (
    <Dialog title={title} {...rest}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (canSend) onSend();
        }}
      >
        <p className="mb-3 text-soft">{about}</p>
        {children}
        <DialogActions>
          <CopyAs what={action} texts={texts} />
          <span className="flex-1" />
          <Button type="submit" look={isBad ? "bad" : "main"} isBusy={isBusy} disabled={!canSend}>
            {action}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

export function Field({
  label,
  value,
  onChange,
  isLong = false,
}: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly isLong?: boolean;
}) {
  const props = {
    className: `field mt-1 ${isLong ? "min-h-24 resize-y" : ""}`,
    value,
    autoFocus: true,
    onChange: (event: { readonly target: { readonly value: string } }) => onChange(event.target.value),
  };
  return (
    <label className="block">
      <span className="label">{label}</span>
      {isLong ? <textarea {...props} /> : <input {...props} />}
    </label>
  );
}

const pathOf = (run: RunDetail, word: string): string => `/runs/${encodeURIComponent(run.runId)}/${word}`;
export function textsOf(
  run: RunDetail,
  word: string,
  body: JsonValue,
  call: string,
  cli: readonly string[],
): CopyTexts {
  return {
    curl: curlOf(pathOf(run, word), body),
    typescript: typescriptOf(`${call}(${argument(run.runId)}, ${argument(body)})`),
    cli: cliOf(...cli),
  };
}

export function PauseDialog({ run, ...rest }: Props) {
  const [reason, setReason] = useState("");
  const { attempt, isBusy } = useRunAction(run.runId);
  const given = reason.trim() || "paused in the console";
  const send = async (): Promise<void> => {
    if (await attempt("Paused", () => pawl.pauseRun(run.runId, { reason: given }))) rest.onClose();
  };
  return (
    <Words
      {...rest}
      title="Pause this run"
      about="Calls under way finish; nothing new starts until somebody resumes it. It keeps its place for as long as it takes."
      action="Pause"
      isBusy={isBusy}
      canSend
      texts={() => textsOf(run, "pause", { reason: given }, "pauseRun", ["pause", run.runId])}
      onSend={() => void send()}
    >
      <Field label="Why (optional)" value={reason} onChange={setReason} />
    </Words>
  );
}

export function CancelDialog({ run, ...rest }: Props) {
  const [reason, setReason] = useState("");
  const { attempt, isBusy } = useRunAction(run.runId);
  const given = reason.trim() || "cancelled in the console";
  const send = async (): Promise<void> => {
    if (
      await attempt("Cancelling: calls that have started are waited for", () =>
        pawl.cancelRun(run.runId, { reason: given }),
      )
    )
      rest.onClose();
  };
  return (
    <Words
      {...rest}
      title="Cancel this run"
      about="It ends, and its children with it. A call that touched the world is reported as done or unknown, never hidden. This cannot be undone; a fork can go on from any turn."
      action="Cancel the run"
      isBad
      isBusy={isBusy}
      canSend
      texts={() => textsOf(run, "cancel", { reason: given }, "cancelRun", ["cancel", run.runId, given])}
      onSend={() => void send()}
    >
      <Field label="Why (optional)" value={reason} onChange={setReason} />
    </Words>
  );
}

export function MessageDialog({ run, ...rest }: Props) {
  const [text, setText] = useState("");
  const { attempt, isBusy } = useRunAction(run.runId);
  const send = async (): Promise<void> => {
    if (!(await attempt("Sent: it is read at the next turn", () => pawl.messageRun(run.runId, { text })))) return;
    setText("");
    rest.onClose();
  };
  return (
    <Words
      {...rest}
      title="Send a message"
      about="The agent reads it at its next turn. Use it to steer: more facts, another aim, a correction."
      action="Send"
      isBusy={isBusy}
      canSend={text.trim() !== ""}
      texts={() => textsOf(run, "messages", { text }, "messageRun", ["message", run.runId, text])}
      onSend={() => void send()}
    >
      <Field label="Message" value={text} onChange={setText} isLong />
    </Words>
  );
}

/** A person says what the agent would have said. */
export function AnswerDialog({ run, ...rest }: Props) {
  const [text, setText] = useState("");
  const { attempt, isBusy } = useRunAction(run.runId);
  const send = async (): Promise<void> => {
    if (!(await attempt("Taken: it is the agent's next turn", () => pawl.answerRun(run.runId, { text })))) return;
    setText("");
    rest.onClose();
  };
  return (
    <Words
      {...rest}
      title="Answer in the agent's place"
      about="The agent's next turn is yours: this is what it says, and no model is asked. Without more to do, it is the run's answer. The record says that you said it."
      action="Answer"
      isBusy={isBusy}
      canSend={text.trim() !== ""}
      texts={() => textsOf(run, "answer", { text }, "answerRun", ["answer", run.runId, text])}
      onSend={() => void send()}
    >
      <Field label="Answer" value={text} onChange={setText} isLong />
    </Words>
  );
}

const scopes: readonly {
  readonly scope: BudgetScope;
  readonly label: string;
  readonly factor: number;
  readonly flag: string;
}[] = [
  { scope: "costNanoUsd", label: "USD", factor: 1e9, flag: "--cost-usd" },
  { scope: "tokens", label: "tokens", factor: 1, flag: "--tokens" },
  { scope: "calls", label: "tool calls", factor: 1, flag: "--calls" },
];

export function BudgetDialog({ run, ...rest }: Props) {
  const waitsFor = run.budget.costNanoUsd.cap === null ? "tokens" : "costNanoUsd";
  const [scope, setScope] = useState<BudgetScope>(waitsFor);
  const [text, setText] = useState("");
  const { attempt, isBusy } = useRunAction(run.runId);
  const chosen = scopes.find((one) => one.scope === scope);
  const amount = Math.round(Number(text) * (chosen?.factor ?? 1));
  const canSend = Number.isSafeInteger(amount) && amount > 0;
  const { cap, spent } = run.budget[scope];
  const figure = (value: number): string => (scope === "costNanoUsd" ? usdText(value) : String(value));
  const send = async (): Promise<void> => {
    if (await attempt("Budget added", () => pawl.raiseBudget(run.runId, { scope, amount }))) rest.onClose();
  };
  return (
    <Words
      {...rest}
      title="Add budget"
      about={
        cap === null
          ? "There is no cap on this now."
          : `Spent ${figure(spent)} of ${figure(cap)}. A run that waits for budget goes on by itself.`
      }
      action="Add"
      isBusy={isBusy}
      canSend={canSend}
      texts={() =>
        textsOf(run, "budget", { scope, amount: canSend ? amount : 1 }, "raiseBudget", [
          "raise",
          run.runId,
          chosen?.flag ?? "",
          text || "1",
        ])
      }
      onSend={() => void send()}
    >
      <div className="grid grid-cols-2 gap-3">
        <Field label="Amount" value={text} onChange={setText} />
        <label className="block">
          <span className="label">Of</span>
          <select
            className="field mt-1"
            value={scope}
            onChange={(event) => setScope(event.target.value as BudgetScope)}
          >
            {scopes.map((one) => (
              <option key={one.scope} value={one.scope}>
                {one.label}
              </option>
            ))}
          </select>
        </label>
      </div>
    </Words>
  );
}
