import type { ReactNode } from "react";

export function Block({ title, children }: { readonly title: ReactNode; readonly children: ReactNode }) {
  return (
    <section className="border-t border-line px-4 py-3">
      <h3 className="label mb-1.5">{title}</h3>
      {children}
    </section>
  );
}
