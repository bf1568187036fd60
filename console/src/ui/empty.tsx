import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon.tsx";

/** Nothing to show: why, and what to do. */
export function Empty({
  icon,
  title,
  isPage = false,
  children,
}: {
  readonly icon: IconName;
  readonly title: string;
  /** It is all that the page has, so its title is the page's. */
  readonly isPage?: boolean;
  readonly children?: ReactNode;
}) {
  const Heading = isPage ? "h1" : "h2";
  return (
    <div className="mx-auto flex max-w-md flex-col items-center gap-2 px-6 py-16 text-center">
      <span className="mb-1 inline-flex size-9 items-center justify-center rounded-lg border border-line bg-surface text-faint">
        <Icon name={icon} />
      </span>
      <Heading className="text-base font-medium">{title}</Heading>
      <div className="flex flex-col items-center gap-3 text-soft">{children}</div>
    </div>
  );
}
