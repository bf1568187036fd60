import type { ReactNode } from "react";

/** Names and values in two columns. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className="grid grid-cols-[6.5rem_minmax(0,1fr)] gap-x-3 gap-y-1.5 text-sm">{children}</dl>;
}

export function Fact({
  name,
  children,
  title,
}: {
  readonly name: string;
  readonly children: ReactNode;
  readonly title?: string;
}) {
  return (
    <>
      <dt className="text-faint">{name}</dt>
      <dd className="min-w-0 wrap-anywhere tabular" title={title}>
        {children}
      </dd>
    </>
  );
}

/** A titled part of a panel. */
export function Section({
  title,
  children,
  side,
}: {
  readonly title: ReactNode;
  readonly children: ReactNode;
  readonly side?: ReactNode;
}) {
  return (
    <section className="border-t border-line px-4 py-3 first:border-t-0">
      <div className="mb-1.5 flex min-h-7 items-center justify-between gap-2">
        <h2 className="label">{title}</h2>
        {side}
      </div>
      {children}
    </section>
  );
}
