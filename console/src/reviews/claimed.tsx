import { useQueryClient } from "@tanstack/react-query";
import { client as pawl } from "../api/client.ts";
import { useSession } from "../api/session.ts";
import type { ApprovalDetail } from "../api/types.ts";
import { clockText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icon.tsx";
import { useToast } from "../ui/toast.tsx";

type Claim = NonNullable<ApprovalDetail["claim"]>;

/** Who looks at it now, so that two people do not decide past each other. It lapses by itself, and can be taken over. */
export function Claimed({ approvalId, claim }: { readonly approvalId: string; readonly claim: Claim }) {
  const session = useSession().data;
  const client = useQueryClient();
  const say = useToast();
  const isMine = session?.principal === claim.by;
  const takeOver = async (): Promise<void> => {
    try {
      await pawl.claimApproval(approvalId, { takeOver: true });
      await client.invalidateQueries({ queryKey: ["approval", approvalId] });
    } catch (error) {
      say(error instanceof Error ? error.message : "it was not taken over", true);
    }
  };
  return (
    <p className="flex items-center gap-1.5 text-xs text-soft">
      <Icon name="person" className="size-3.5!" />
      <span>
        being reviewed by {isMine ? "you" : oneLine(claim.by, 60)} until {clockText(claim.until).slice(0, 5)}
      </span>
      {isMine ? null : (
        <Button look="quiet" className="h-6! text-xs!" onClick={() => void takeOver()}>
          Take over
        </Button>
      )}
    </p>
  );
}
