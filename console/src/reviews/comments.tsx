import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client as pawl } from "../api/client.ts";
import { may, useSession } from "../api/session.ts";
import type { ApprovalDetail } from "../api/types.ts";
import { agoText, exactTime } from "../format/figures.ts";
import { useNow } from "../format/use-now.ts";
import { oneLine } from "../format/visible-text.ts";
import { Button } from "../ui/button.tsx";
import { useToast } from "../ui/toast.tsx";
import { Block } from "./block.tsx";

/** What people said beside a decision: it binds nothing. */
export function Comments({
  approval: { approvalId, comments, decision },
}: {
  readonly approval: Pick<ApprovalDetail, "approvalId" | "comments" | "decision">;
}) {
  const mayReview = may(useSession().data, "review");
  const now = useNow(true, 5_000);
  const isOpen = mayReview && decision === null;
  if (comments.length === 0 && !isOpen) return null;
  return (
    <Block title={comments.length === 0 ? "Comments" : `Comments (${comments.length})`}>
      <ul className="flex flex-col gap-1.5">
        {comments.map(({ by, text, at }, i) => (
          <li key={i} className="text-sm wrap-anywhere">
            <span className="font-medium">
              <bdi>{oneLine(by, 80)}</bdi>
            </span>{" "}
            <span className="text-2xs text-faint" title={exactTime(at)}>
              {agoText(at, now)}
            </span>
            <br />
            <bdi>{oneLine(text, 2_000)}</bdi>
          </li>
        ))}
      </ul>
      {isOpen ? <Say approvalId={approvalId} /> : null}
    </Block>
  );
}

function Say({ approvalId }: { readonly approvalId: string }) {
  const client = useQueryClient();
  const say = useToast();
  const [text, setText] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const send = async (): Promise<void> => {
    setIsBusy(true);
    try {
      await pawl.commentApproval(approvalId, { text });
      setText("");
      await client.invalidateQueries({ queryKey: ["approval", approvalId] });
    } catch (error) {
      say(error instanceof Error ? error.message : "it was not recorded", true);
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <form
      className="mt-2 flex items-end gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== "" && !isBusy) void send();
      }}
    >
      <input
        className="field min-w-0 flex-1"
        aria-label="Comment, decides nothing"
        placeholder="Say something; it decides nothing"
        maxLength={2_000}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Button type="submit" needsServer isBusy={isBusy} disabled={text.trim() === ""}>
        Comment
      </Button>
    </form>
  );
}
