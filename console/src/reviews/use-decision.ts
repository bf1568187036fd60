import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client as pawl, ClientError } from "../api/client.ts";
import type { ApprovalDetail, DecideRequest } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { useToast } from "../ui/toast.tsx";
import { forgetDecision, isPaused, noteDecision } from "./decision-pause.ts";

const said = { approve: "Approved", reject: "Rejected", answer: "Answered" };

/** Decides exactly what was shown: the hash of it goes along, and anything else is refused by the server. */
export function useDecision(approval: ApprovalDetail, onDone: () => void) {
  const client = useQueryClient();
  const say = useToast();
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const decide = async (request: DecideRequest): Promise<void> => {
    if (isBusy || isPaused()) return;
    noteDecision();
    setIsBusy(true);
    setProblem(null);
    try {
      await pawl.decideApproval(approval.approvalId, { ...request, shownHash: approval.actionHash });
      // again: the answer may have taken its time, and the next one stands there only now
      noteDecision();
      const run = oneLine(approval.title, 60) || approval.runId;
      say(`${said[request.decision]}: ${approval.tool ?? "the question"}, ${run}`);
      onDone();
    } catch (error) {
      forgetDecision();
      const message = error instanceof Error ? error.message : "it was not recorded";
      // an edit that does not fit is told where it is written
      if (request.edit === undefined) say(message, true);
      else setProblem(message);
      if (!(error instanceof ClientError) || error.status !== 409) return;
    } finally {
      setIsBusy(false);
      await Promise.all([
        client.invalidateQueries({ queryKey: ["reviews"] }),
        client.invalidateQueries({ queryKey: ["approval", approval.approvalId] }),
        client.invalidateQueries({ queryKey: ["run", approval.runId] }),
      ]);
    }
  };
  return { decide, isBusy, problem };
}
