import { SafeText } from "../value/safe-text.tsx";
import { lineDiff } from "./line-diff.ts";

const looks = { same: "", old: "bg-bad-wash text-bad", new: "bg-ok-wash text-ok" };
const signs = { same: " ", old: "−", new: "+" };

/** What the edit changes, line by line; signs beside the colours. */
export function DiffView({ before, after }: { readonly before: string; readonly after: string }) {
  return (
    <div
      className="value overflow-x-auto rounded-md border border-line py-1"
      role="group"
      aria-label="what the edit changes"
    >
      {lineDiff(before, after).map(({ type, text }, i) => (
        // lines have no other identity than their place
        <div key={i} className={`value-line flex px-2 ${looks[type]}`}>
          <span className="w-4 shrink-0 select-none" aria-label={type === "same" ? undefined : type}>
            {signs[type]}
          </span>
          <span>
            <SafeText text={text} />
          </span>
        </div>
      ))}
    </div>
  );
}
