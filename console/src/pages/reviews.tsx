import { useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { client as pawl } from "../api/client.ts";
import { useReviews } from "../api/reviews.ts";
import { may, useSession } from "../api/session.ts";
import type { ReviewItem } from "../api/types.ts";
import { agoText } from "../format/figures.ts";
import { useNow } from "../format/use-now.ts";
import { oneLine } from "../format/visible-text.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { ResolveEffect } from "../effects/resolve-effect.tsx";
import { MeasuredCalls } from "../reviews/measured-calls.tsx";
import { ReviewCard } from "../reviews/review-card.tsx";
import { Empty } from "../ui/empty.tsx";
import { Icon } from "../ui/icon.tsx";
import { usePageTitle } from "../ui/page-title.ts";
import { Problem } from "../ui/problem.tsx";

/** Stands in the URL: an approval by its id, an unknown effect by run and call. */
function keyOf(item: ReviewItem): string {
  return item.approvalId ?? `${item.runId}:${item.callId}`;
}

/** Everything that waits for a person, the oldest first. */
export function ReviewsPage({ id }: { readonly id: string | null }) {
  const reviews = useReviews();
  const [, navigate] = useLocation();
  const items = reviews.data?.items ?? [];
  const at = items.findIndex((item) => keyOf(item) === id);
  const open = (index: number): void => {
    const item = items[Math.max(0, Math.min(items.length - 1, index))];
    navigate(item === undefined ? "/reviews" : `/reviews/${encodeURIComponent(keyOf(item))}`, { replace: true });
  };
  const afterThis = items[at + 1] ?? items[at - 1];
  const toNext = (): void =>
    navigate(afterThis === undefined ? "/reviews" : `/reviews/${encodeURIComponent(keyOf(afterThis))}`, {
      replace: true,
    });
  usePageTitle(items.length === 0 ? "Reviews" : `Reviews (${items.length})`);
  useKeys("Reviews", [
    { keys: "j", label: "Next", run: () => open(at + 1) },
    { keys: "k", label: "Before", run: () => open(at - 1) },
    { keys: "Escape", label: "Back to the list", run: () => navigate("/reviews", { replace: true }) },
  ]);
  const firstKey = items[0] === undefined ? null : keyOf(items[0]);
  /** The one that was opened by the page, once in a visit: nobody chose it, so others are not told that it is looked at. */
  const [openedKey, setOpenedKey] = useState<string | null>(null);
  useEffect(() => {
    // side by side there is room for one: a newcomer need not guess that a line opens
    if (id !== null || firstKey === null || openedKey !== null || !matchMedia("(min-width: 1024px)").matches) return;
    setOpenedKey(firstKey);
    navigate(`/reviews/${encodeURIComponent(firstKey)}`, { replace: true });
  }, [id, firstKey, openedKey, navigate]);
  const mayReview = may(useSession().data, "review");
  useClaim(mayReview && id !== openedKey ? (items[at]?.approvalId ?? null) : null);
  return (
    <div className="flex h-full">
      <section
        className={`w-full flex-col border-r border-line md:flex md:w-80 md:shrink-0 ${id === null ? "flex" : "hidden"}`}
      >
        <header className="border-b border-line px-4 py-3">
          <div className="flex items-baseline justify-between">
            <h1 className="text-lg font-semibold tracking-tight">Reviews</h1>
            {mayReview ? (
              <Link href={`/reviews/${MEASURED}`} className="linkish text-xs" aria-current={id === MEASURED}>
                Measured calls
              </Link>
            ) : null}
          </div>
        </header>
        {reviews.error === null ? null : <Problem error={reviews.error} />}
        {reviews.data !== undefined && items.length === 0 ? <Nothing /> : null}
        <ul className="min-h-0 flex-1 overflow-y-auto">
          {items.map((item) => (
            <Item key={keyOf(item)} item={item} isHere={keyOf(item) === id} />
          ))}
        </ul>
      </section>
      <section
        className={`min-w-0 flex-1 overflow-y-auto ${id === null ? "hidden md:block" : ""}`}
        aria-label="The chosen review"
      >
        {id === null ? (
          items.length === 0 ? null : (
            <p className="p-10 text-center text-faint">
              Choose one on the left, or press j. Nothing happens before you approve it.
            </p>
          )
        ) : id === MEASURED ? (
          <Measured />
        ) : (
          <Chosen id={id} item={items[at] ?? null} onDone={toNext} />
        )}
      </section>
    </div>
  );
}

function Measured() {
  return (
    <div className="mx-auto max-w-3xl p-4 md:p-6">
      <Link href="/reviews" className="mb-3 flex items-center gap-1 text-soft md:hidden">
        <Icon name="left" /> All reviews
      </Link>
      <MeasuredCalls />
    </div>
  );
}

function Chosen({
  id,
  item,
  onDone,
}: {
  readonly id: string;
  readonly item: ReviewItem | null;
  readonly onDone: () => void;
}) {
  return (
    <div className="mx-auto max-w-2xl md:p-6">
      <h1 className="sr-only md:hidden">Review</h1>
      <Link href="/reviews" className="flex items-center gap-1 px-4 py-3 text-soft md:hidden">
        <Icon name="left" /> All reviews
      </Link>
      <div className="card overflow-clip max-md:rounded-none! max-md:border-x-0!">
        {item?.kind === "unknown" ? (
          <div className="p-4">
            <ResolveEffect
              runId={item.runId}
              callId={item.callId}
              tool={item.tool ?? "the call"}
              seq={item.seq}
              why={item.question}
            />
          </div>
        ) : (
          <ReviewCard approvalId={id} onDone={onDone} />
        )}
      </div>
    </div>
  );
}

/** No id of an approval: those have a colon. */
const MEASURED = "measured";

function Item({ item, isHere }: { readonly item: ReviewItem; readonly isHere: boolean }) {
  const now = useNow(true, 5_000);
  return (
    <li>
      <Link
        href={`/reviews/${encodeURIComponent(keyOf(item))}`}
        aria-current={isHere}
        className={`flex flex-col gap-0.5 border-b border-line px-4 py-2.5 ${isHere ? "bg-selected" : "hover:bg-hover"}`}
      >
        <span className="flex items-center gap-2">
          <Icon
            name={item.kind === "unknown" ? "help" : "effects"}
            className={`size-3.5! ${item.kind === "unknown" ? "text-odd" : "text-wait"}`}
          />
          <span className="min-w-0 flex-1 truncate font-medium">
            <bdi>{oneLine(item.title || item.question, 80)}</bdi>
          </span>
          <span className="text-2xs text-faint tabular">{agoText(item.askedAt, now)}</span>
        </span>
        <span className="line-clamp-2 text-xs text-soft">
          <bdi>{oneLine(item.summary || item.question, 160)}</bdi>
        </span>
        <span className="flex items-center gap-2 text-2xs text-faint">
          <span className="min-w-0 truncate">
            {oneLine(item.tool ?? "question", 40)} · {oneLine(item.agent, 40)}
          </span>
          {item.claim === null ? null : (
            <span className="shrink-0 text-accent-ink">being reviewed by {oneLine(item.claim.by, 24)}</span>
          )}
        </span>
      </Link>
    </li>
  );
}

const CLAIM_AGAIN_MS = 120_000;

/** Tells others that somebody looks at it, for as long as it is open here. It lapses by itself. */
function useClaim(approvalId: string | null): void {
  useEffect(() => {
    if (approvalId === null) return undefined;
    // refused where one may not review, or somebody else has it: the card says who
    const claim = (): void => void pawl.claimApproval(approvalId).catch(() => undefined);
    claim();
    const timer = setInterval(claim, CLAIM_AGAIN_MS);
    return () => {
      clearInterval(timer);
      // decided, or another's: then there is nothing to give back
      void pawl.releaseApproval(approvalId).catch(() => undefined);
    };
  }, [approvalId]);
}

function Nothing() {
  return (
    <Empty icon="check" title="Nothing waits for you">
      <p>When an agent wants to do something that a person must allow, it stands here with the exact call.</p>
    </Empty>
  );
}
