import { memo, useEffect, useMemo, useRef, useState } from "react";
import type { RunDetail } from "../../api/types.ts";
import { clockText, exactTime } from "../../format/figures.ts";
import { oneLine } from "../../format/visible-text.ts";
import { Button } from "../../ui/button.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Prose } from "../../value/prose.tsx";
import { ValueView } from "../../value/value-view.tsx";
import type { RunStream } from "../use-run-stream.ts";
import { useConversation } from "./conversation-context.ts";
import { turnsOf, type Entry, type TurnGroup } from "./entries.ts";
import { ModelBlock } from "./model-block.tsx";
import { Ask, Child, End, Note, Seam, Step, Wait } from "./small-entries.tsx";
import { ToolCard } from "./tool-card.tsx";

const NEAR_END_PX = 80;

/** The run as it is read: goal, turns, answer. Follows the newest while one is at the end. */
export function Conversation({ run, stream }: { readonly run: RunDetail; readonly stream: RunStream }) {
  const groups = useMemo(() => turnsOf(stream.entries), [stream.entries]);
  const { scroller, isAtEnd, onScroll, toEnd } = useFollowing(stream);
  return (
    <div className="relative h-full">
      <div
        ref={scroller}
        onScroll={onScroll}
        className="h-full overflow-y-auto"
        role="region"
        aria-label="Conversation"
        tabIndex={0}
      >
        <div className="mx-auto max-w-3xl px-4 py-5 md:px-8">
          <Goal run={run} />
          {stream.onEarlier === null ? null : (
            <div className="my-3 text-center">
              <Button onClick={stream.onEarlier}>Read what came before</Button>
            </div>
          )}
          {groups.map((group) => (
            <Turn key={`${group.turn}${group.isEnded}`} group={group} />
          ))}
          {stream.state === "lost" ? (
            <p role="status" className="mt-4 flex items-center gap-2 text-xs text-wait">
              <Icon name="link" className="pulse size-3.5!" /> The connection was lost. It is opened again; nothing is
              missed.
            </p>
          ) : null}
        </div>
      </div>
      {isAtEnd || stream.state === "end" ? null : (
        <div className="absolute inset-x-0 bottom-3 flex justify-center">
          <Button onClick={toEnd} icon="down" className="shadow-pop">
            Newest
          </Button>
        </div>
      )}
    </div>
  );
}

/** Stays at the end while one is there; a reader who scrolled up is left alone. */
function useFollowing({ state, entries }: RunStream) {
  const scroller = useRef<HTMLDivElement>(null);
  const [isAtEnd, setIsAtEnd] = useState(true);
  const lastTop = useRef(0);
  const toEnd = (): void => scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  useEffect(() => {
    const content = scroller.current?.firstElementChild;
    if (!isAtEnd || state !== "live" || content === null || content === undefined) return undefined;
    // whatever makes it longer: an event, a word, a question that was read a moment later
    const watch = new ResizeObserver(toEnd);
    watch.observe(content);
    return () => watch.disconnect();
  }, [isAtEnd, state]);
  const isOver = state === "end" && entries.at(-1)?.type === "end";
  useEffect(() => {
    // the answer is what one came for
    if (isOver && isAtEnd) scroller.current?.querySelector("[data-end]")?.scrollIntoView({ block: "nearest" });
    // once, when it is over: not when a reader comes back to the end
  }, [isOver]);
  const onScroll = (): void => {
    const box = scroller.current;
    if (box === null) return;
    const isNear = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX;
    // only going up leaves the end: that it became longer meanwhile does not
    if (isNear) setIsAtEnd(true);
    else if (box.scrollTop < lastTop.current) setIsAtEnd(false);
    lastTop.current = box.scrollTop;
  };
  return { scroller, isAtEnd, onScroll, toEnd };
}

function Goal({ run }: { readonly run: RunDetail }) {
  const { why } = useConversation();
  const isSource = why?.wordsOf.has("goal") ?? false;
  return (
    <section className={`rounded-lg bg-accent-wash px-4 py-3 ${isSource ? "shadow-[0_0_0_1px_var(--wait)]" : ""}`}>
      <div className="label mb-0.5 flex items-center justify-between">
        <span>
          {oneLine(run.principal, 60)} asked {oneLine(run.agent, 60)}
        </span>
        <time title={exactTime(run.startedAt)} className="tabular">
          {clockText(run.startedAt)}
        </time>
      </div>
      {typeof run.input === "string" ? (
        <Prose text={run.input} />
      ) : (
        <div className="-ml-3.5">
          <ValueView value={run.input} label="input" />
        </div>
      )}
    </section>
  );
}

const Turn = memo(function Turn({ group }: { readonly group: TurnGroup }) {
  const { onFork, mayOperate } = useConversation();
  const first = group.entries[0];
  const isOnlyEnd = group.entries.every((entry) => entry.type === "end");
  return (
    <section aria-label={`Turn ${group.turn}`} className="group/turn mt-5">
      {isOnlyEnd ? null : (
        <header className="relative mb-2 flex h-6 items-center gap-2 text-2xs text-faint">
          <span className="font-medium">Turn {group.turn}</span>
          <span className="h-px flex-1 bg-line" />
          {group.isEnded && mayOperate ? (
            <button
              type="button"
              className="absolute right-14 inline-flex items-center gap-1 bg-canvas px-2 opacity-0 pointer-coarse:opacity-100 group-hover/turn:opacity-100 hover:text-ink focus-visible:opacity-100"
              onClick={() => onFork(group.turn)}
            >
              <Icon name="fork" className="size-3!" /> Fork after this turn
            </button>
          ) : null}
          {first === undefined ? null : (
            <time className="tabular" title={exactTime(first.at)}>
              {clockText(first.at)}
            </time>
          )}
        </header>
      )}
      <div className="flex flex-col gap-2">
        {group.entries.map((entry) => (
          <EntryView key={entry.id} entry={entry} />
        ))}
      </div>
    </section>
  );
}, isSameTurn);

/** Entries that did not change are the same objects: a turn that is over is drawn once. */
function isSameTurn(a: { readonly group: TurnGroup }, b: { readonly group: TurnGroup }): boolean {
  const before = a.group.entries;
  const after = b.group.entries;
  return (
    a.group.isEnded === b.group.isEnded && before.length === after.length && before.every((one, i) => one === after[i])
  );
}

function EntryView({ entry }: { readonly entry: Entry }) {
  switch (entry.type) {
    case "model":
      return <ModelBlock entry={entry} />;
    case "tool":
      return <ToolCard entry={entry} />;
    case "ask":
      return <Ask entry={entry} />;
    case "child":
      return <Child entry={entry} />;
    case "step":
      return <Step entry={entry} />;
    case "wait":
      return <Wait entry={entry} />;
    case "seam":
      return <Seam entry={entry} />;
    case "note":
      return <Note entry={entry} />;
    case "end":
      return <End entry={entry} />;
    case "turn-end":
      return null;
  }
}
