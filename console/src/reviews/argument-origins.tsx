import type { ApprovalDetail } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { Pill } from "../ui/status.tsx";

type ArgumentOrigin = ApprovalDetail["origins"][number];

const named = {
  prompt: "named by a person",
  developer: "named by the developer",
  fixed: "one of the tool's own words",
  model: "named by nobody",
} as const;

/** Each argument that says where, to whom or how much: who named it, and the words around it where an untrusted text did. */
export function ArgumentOrigins({ origins }: { readonly origins: readonly ArgumentOrigin[] }) {
  return (
    <ul className="flex flex-col gap-2">
      {origins.map((one) => (
        <li key={`${one.path} ${String(one.value)}`} className="rounded-md border border-line px-2.5 py-2">
          <div className="flex flex-wrap items-center gap-1.5 text-xs">
            <code className="font-mono text-2xs text-faint">{oneLine(one.path, 60)}</code>
            <span className="min-w-0 font-medium wrap-anywhere">{oneLine(String(one.value), 200)}</span>
            <Said origin={one.origin} />
          </div>
          {one.origin.source !== "untrusted" ? null : (
            <p className="mt-1 text-soft wrap-anywhere">{oneLine(one.origin.around, 400)}</p>
          )}
        </li>
      ))}
    </ul>
  );
}

function Said({ origin }: { readonly origin: ArgumentOrigin["origin"] }) {
  if (origin.source === "untrusted") {
    const tools = [origin, ...(origin.also ?? [])].map(({ tool }) => tool).join(", then ");
    return <Pill tone="bad">stands in the result of {oneLine(tools, 200)}</Pill>;
  }
  if (origin.source === "trusted") return <Pill tone="ok">a trusted field of {oneLine(origin.tool, 60)}</Pill>;
  return <Pill tone={origin.source === "model" ? "wait" : "ok"}>{named[origin.source]}</Pill>;
}
