import type { ApprovalDetail, Effect } from "../api/types.ts";
import { Icon } from "../ui/icon.tsx";
import { Block } from "./block.tsx";

const afterApprove: { readonly [effect in Effect]: string } = {
  pure: "runs with exactly these arguments. It only reads.",
  idempotent: "runs with exactly these arguments. If the worker dies in the middle, it is repeated with the same key.",
  reconcilable:
    "runs with exactly these arguments. If the worker dies in the middle, the other side is asked what happened.",
  once: "runs with exactly these arguments, once. If the worker dies in the middle, it is not repeated: you are asked again.",
};

/** What follows from each answer, before it is given. */
export function Consequences({ approval }: { readonly approval: ApprovalDetail }) {
  const tool = approval.tool ?? "the run";
  const approve = approval.effect === null ? "goes on." : afterApprove[approval.effect];
  return (
    <Block title="What happens">
      <ul className="flex flex-col gap-1 text-sm">
        <li className="flex items-start gap-2">
          <Icon name="check" className="mt-0.5 size-3.5! text-ok" />
          <span>
            <strong className="font-medium">Approve:</strong> {tool} {approve}
          </span>
        </li>
        <li className="flex items-start gap-2">
          <Icon name="close" className="mt-0.5 size-3.5! text-bad" />
          <span>
            <strong className="font-medium">Reject:</strong> it never starts. The agent reads your reason and goes on
            without it.
          </span>
        </li>
      </ul>
    </Block>
  );
}
