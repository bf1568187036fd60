import type { Cause } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { Icon } from "../ui/icon.tsx";
import { Pill } from "../ui/status.tsx";
import { SafeText } from "../value/safe-text.tsx";

const kinds: { readonly [kind in Cause["from"]["kind"]]: string } = {
  goal: "the goal",
  message: "a message to the run",
  tool: "the result of",
  model: "the model, in",
  person: "a person's answer",
  child: "the result of the child",
  summary: "a summary",
  thread: "an earlier run of the thread",
};

/** Shown on each side of the words; the marked words themselves are always in sight. */
const AROUND_CHARS = 120;

interface Props {
  readonly causes: readonly Cause[];
  /** Goes to the span that the words stood in. */
  readonly onSource?: ((spanId: string, runId: string) => void) | undefined;
}

/** Where the words of the arguments stood before: each place with the words around it, and whether it is trusted. */
export function OriginList({ causes, onSource }: Props) {
  if (causes.length === 0)
    return <p className="text-soft">None of its words stood in an earlier value: the model chose them itself.</p>;
  return (
    <ul className="flex flex-col gap-2">
      {causes.map((cause) => (
        <Origin
          key={`${cause.path} ${cause.start} ${cause.from.seq} ${cause.around.start}`}
          cause={cause}
          onSource={onSource}
        />
      ))}
    </ul>
  );
}

function Origin({ cause, onSource }: { readonly cause: Cause; readonly onSource: Props["onSource"] }) {
  const { from: source, around } = cause;
  const { link } = source;
  const from = Math.max(0, around.start - AROUND_CHARS);
  const to = Math.min(around.text.length, around.end + AROUND_CHARS);
  // breaks become spaces one by one, so that places stay what they are
  const shown = around.text.slice(from, to).replace(/\s/g, " ");
  return (
    <li className="rounded-md border border-line px-2.5 py-2">
      <div className="mb-1 flex flex-wrap items-center gap-1.5 text-xs">
        <code className="font-mono text-2xs text-faint">{oneLine(cause.path.replace(/^\//, "") || "input", 60)}</code>
        <Icon name="left" className="size-3! text-faint" />
        <span className="text-soft">{kinds[source.kind]}</span>
        {link === null ? null : onSource === undefined ? (
          <span className="font-medium">{oneLine(link.name, 60)}</span>
        ) : (
          <button type="button" className="linkish font-medium" onClick={() => onSource(link.spanId, link.runId)}>
            {oneLine(link.name, 60)}
          </button>
        )}
        <span className="flex-1" />
        <Pill tone={source.trusted ? "ok" : "wait"}>{source.trusted ? "trusted" : "untrusted"}</Pill>
      </div>
      <p className="prose-value text-xs text-soft">
        {from > 0 ? "… " : ""}
        <SafeText text={shown} offset={from} marks={[{ start: around.start, end: around.end, id: "words" }]} />
        {to < around.text.length ? " …" : ""}
      </p>
    </li>
  );
}
