import { useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { useReviewCount } from "../api/reviews.ts";
import type { Session } from "../api/session.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { Icon, type IconName } from "../ui/icon.tsx";
import { AccountMenu } from "./account-menu.tsx";
import { KeySheet } from "./key-sheet.tsx";
import { OpenNotice } from "./open-notice.tsx";
import { ReachBanner } from "./reach-banner.tsx";

interface Place {
  readonly path: string;
  readonly label: string;
  readonly icon: IconName;
  readonly keys: string;
}
const places: readonly Place[] = [
  { path: "/runs", label: "Runs", icon: "list", keys: "g r" },
  { path: "/reviews", label: "Reviews", icon: "reviews", keys: "g v" },
  { path: "/effects", label: "Effects", icon: "effects", keys: "g e" },
  { path: "/models", label: "Models", icon: "model", keys: "g m" },
  { path: "/tools", label: "Tools", icon: "tool", keys: "g t" },
  { path: "/usage", label: "Usage", icon: "coin", keys: "g u" },
  { path: "/start", label: "Start a run", icon: "plus", keys: "g s" },
];

/** What stands around every page: where one can go, who one is, and the keys. */
export function Shell({ session, children }: { readonly session: Session; readonly children: ReactNode }) {
  const [, navigate] = useLocation();
  const [isSheetOpen, setIsSheetOpen] = useState(false);
  useKeys(
    "Anywhere",
    [
      ...places.map(({ path, label, keys }) => ({
        keys,
        label: path === "/start" ? label : `Go to ${label}`,
        run: () => navigate(path),
      })),
      { keys: "c", label: "Start a run", run: () => navigate("/start") },
      { keys: "?", label: "Show these keys", run: () => setIsSheetOpen(true) },
    ],
    { level: "shell" },
  );
  return (
    <div className="flex h-full flex-col md:flex-row">
      <a href="#main" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-raised focus:p-2">
        Skip to content
      </a>
      <Sidebar session={session} onKeys={() => setIsSheetOpen(true)} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <ReachBanner />
        {session.kind === "development" ? <OpenNotice /> : null}
        <main id="main" tabIndex={-1} className="min-h-0 flex-1 outline-none">
          {children}
        </main>
      </div>
      <KeySheet isOpen={isSheetOpen} onClose={() => setIsSheetOpen(false)} />
    </div>
  );
}

function Sidebar({ session, onKeys }: { readonly session: Session; readonly onKeys: () => void }) {
  const [path] = useLocation();
  const reviews = useReviewCount();
  return (
    <header className="order-last flex shrink-0 items-center border-t border-line bg-canvas px-2 pb-[env(safe-area-inset-bottom)] md:order-none md:w-48 md:flex-col md:items-stretch md:border-t-0 md:border-r md:px-2.5 md:py-3">
      <Link href="/runs" className="mb-3 hidden items-center gap-2 px-2 md:flex" aria-label="Pawl, to the runs">
        <img src="/favicon.svg" alt="" className="size-5" />
        <span className="text-base font-semibold tracking-tight">Pawl</span>
      </Link>
      <nav aria-label="Main" className="flex flex-1 md:flex-col md:gap-px">
        {places.map((place) => (
          <NavLink
            key={place.path}
            place={place}
            isHere={path === place.path || path.startsWith(`${place.path}/`)}
            count={place.path === "/reviews" ? reviews : 0}
          />
        ))}
      </nav>
      <AccountMenu session={session} onKeys={onKeys} />
    </header>
  );
}

function NavLink({
  place,
  isHere,
  count,
}: {
  readonly place: Place;
  readonly isHere: boolean;
  readonly count: number;
}) {
  const look = isHere ? "md:bg-selected text-ink font-medium" : "text-soft hover:bg-hover hover:text-ink";
  // side by side there is no room for more than a word; read aloud, it is the whole label
  const [firstWord = ""] = place.label.split(" ");
  return (
    <Link
      href={place.path}
      aria-current={isHere ? "page" : undefined}
      title={`${place.label} (${place.keys})`}
      className={`relative flex h-12 flex-1 flex-col items-center justify-center gap-0.5 rounded-md text-2xs md:h-7 md:flex-none md:flex-row md:justify-start md:gap-2 md:px-2 md:text-sm ${look}`}
    >
      <Icon name={place.icon} className={isHere ? "text-accent-ink" : "text-faint"} />
      <span className="md:flex-1">
        {firstWord}
        <span className="max-md:sr-only">{place.label.slice(firstWord.length)}</span>
      </span>
      {count > 0 ? (
        <span className="tone-wait absolute top-1 left-1/2 ml-2.5 rounded-sm bg-tone-wash px-1 text-2xs font-semibold text-tone tabular md:static md:ml-0">
          {count > 99 ? "99+" : count}
          <span className="sr-only"> open</span>
        </span>
      ) : null}
    </Link>
  );
}
