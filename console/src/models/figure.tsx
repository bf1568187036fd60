import type { ReactNode } from "react";

/** Small figures side by side, each under its name. */
export function Figures({ children }: { readonly children: ReactNode }) {
  return <dl className="mt-3 grid grid-cols-2 gap-x-4 gap-y-3 text-sm md:grid-cols-3 lg:grid-cols-6">{children}</dl>;
}

export function Figure({
  name,
  title,
  isLive = false,
  children,
}: {
  readonly name: string;
  readonly title?: string;
  readonly isLive?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <div className="min-w-0" title={title}>
      <dt className="label flex items-center gap-1.5">
        {name}
        {isLive ? <span className="pulse size-1.5 rounded-full bg-run" /> : null}
      </dt>
      <dd className="wrap-anywhere tabular">{children}</dd>
    </div>
  );
}
