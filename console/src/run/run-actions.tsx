import { client as pawl } from "../api/client.ts";
import type { RunDetail } from "../api/types.ts";
import { may, useSession } from "../api/session.ts";
import { useKeys, type Binding } from "../keys/keyboard.tsx";
import { Button } from "../ui/button.tsx";
import { Menu, type MenuItem } from "../ui/menu.tsx";
import { ForkDialog } from "./fork-dialog.tsx";
import { AnswerDialog, BudgetDialog, CancelDialog, MessageDialog, PauseDialog } from "./run-dialogs.tsx";
import { isEnd } from "./closed-text.ts";
import { useRunAction } from "./use-run-action.ts";

export type RunDialog =
  | { readonly type: "pause" | "cancel" | "message" | "answer" | "budget" }
  | { readonly type: "fork"; readonly turn: number };

interface Props {
  readonly run: RunDetail;
  readonly dialog: RunDialog | null;
  readonly onDialog: (dialog: RunDialog | null) => void;
}

export function RunActions({ run, dialog, onDialog }: Props) {
  const session = useSession().data;
  const act = useRunAction(run.runId);
  const isOver = isEnd(run.status);
  const mayOperate = may(session, "operate") && !isOver;
  const mayRun = may(session, "run");
  const resume = (): void => void act.run("Resumed", (id) => pawl.resumeRun(id));
  const items: (MenuItem & { readonly isShown: boolean })[] = [
    {
      isShown: mayRun && !isOver,
      label: "Message",
      icon: "message",
      keyHint: "m",
      run: () => onDialog({ type: "message" }),
    },
    {
      isShown: mayOperate,
      label: "Answer in its place",
      icon: "person",
      keyHint: "t",
      run: () => onDialog({ type: "answer" }),
    },
    { isShown: mayOperate, label: "Add budget", icon: "coin", keyHint: "b", run: () => onDialog({ type: "budget" }) },
    {
      isShown: mayRun,
      label: "Fork",
      icon: "fork",
      keyHint: "f",
      run: () => onDialog({ type: "fork", turn: run.totals.turns }),
    },
    {
      isShown: mayOperate,
      label: "Cancel",
      icon: "stop",
      keyHint: "x",
      isBad: true,
      run: () => onDialog({ type: "cancel" }),
    },
  ];
  const shown = items.filter((item) => item.isShown);
  const pauseOrResume: Binding[] = mayOperate
    ? [
        {
          keys: "p",
          label: run.paused ? "Resume" : "Pause",
          run: run.paused ? resume : () => onDialog({ type: "pause" }),
        },
      ]
    : [];
  useKeys("Run", [
    ...shown.map(({ label, keyHint = "", run: act }) => ({ keys: keyHint, label, run: act })),
    ...pauseOrResume,
  ]);
  const close = (): void => onDialog(null);
  return (
    <div className="flex shrink-0 items-center gap-1.5">
      {!mayOperate ? null : run.paused ? (
        <Button needsServer icon="play" onClick={resume} isBusy={act.isBusy}>
          Resume
        </Button>
      ) : (
        <Button needsServer icon="pause" onClick={() => onDialog({ type: "pause" })}>
          <span className="hidden md:inline">Pause</span>
          <span className="sr-only md:hidden">Pause</span>
        </Button>
      )}
      {!mayRun || isOver ? null : (
        <Button
          needsServer
          icon="message"
          className="hidden! md:inline-flex!"
          onClick={() => onDialog({ type: "message" })}
        >
          Message
        </Button>
      )}
      {shown.length === 0 ? null : (
        <Menu
          trigger={<Button needsServer icon="more" aria-label="More actions" />}
          groups={[shown.filter((one) => one.isBad !== true), shown.filter((one) => one.isBad === true)]}
        />
      )}
      <PauseDialog run={run} isOpen={dialog?.type === "pause"} onClose={close} />
      <CancelDialog run={run} isOpen={dialog?.type === "cancel"} onClose={close} />
      <MessageDialog run={run} isOpen={dialog?.type === "message"} onClose={close} />
      <AnswerDialog run={run} isOpen={dialog?.type === "answer"} onClose={close} />
      <BudgetDialog run={run} isOpen={dialog?.type === "budget"} onClose={close} />
      {dialog?.type === "fork" ? <ForkDialog run={run} turn={dialog.turn} isOpen onClose={close} /> : null}
    </div>
  );
}
