import { Link, useLocation, useSearch } from "wouter";
import { useKeys } from "../keys/keyboard.tsx";
import { usePageTitle } from "../ui/page-title.ts";
import { BudgetList } from "../usage/budget-list.tsx";
import { SavingsView } from "../usage/savings.tsx";
import { Spending } from "../usage/spending.tsx";

const tabs = [
  { path: "/usage", name: "spending", label: "Spending", View: Spending },
  { path: "/usage/budgets", name: "budgets", label: "Budgets", View: BudgetList },
  { path: "/usage/savings", name: "savings", label: "Savings", View: SavingsView },
] as const;

/** What was spent, what may be, and what was not. */
export function UsagePage({ tab }: { readonly tab: string }) {
  const here = tabs.find(({ name }) => name === tab) ?? tabs[0];
  const search = useSearch();
  const [, navigate] = useLocation();
  const query = search === "" ? "" : `?${search}`;
  usePageTitle(here === tabs[0] ? "Usage" : here.label);
  useKeys(
    "Usage",
    tabs.map(({ label, path }, i) => ({ keys: String(i + 1), label, run: () => navigate(`${path}${query}`) })),
  );
  return (
    <div className="flex h-full flex-col">
      <header className="px-5 pt-3">
        <h1 className="text-lg font-semibold tracking-tight">Usage</h1>
        <p className="text-soft">What models and tools cost, what may be spent, and what was saved.</p>
      </header>
      <nav aria-label="Views of usage" className="mt-1 flex shrink-0 gap-5 border-b border-line px-5">
        {tabs.map(({ path, label, name }) => (
          <Link
            key={name}
            href={`${path}${query}`}
            aria-current={name === here.name ? "page" : undefined}
            className={`-mb-px border-b-2 py-2 text-sm ${name === here.name ? "border-accent font-medium text-ink" : "border-transparent text-soft hover:text-ink"}`}
          >
            {label}
          </Link>
        ))}
      </nav>
      <div className="min-h-0 flex-1 overflow-auto px-5 py-4" tabIndex={0} role="region" aria-label={here.label}>
        <div className="max-w-6xl">
          <here.View />
        </div>
      </div>
    </div>
  );
}
