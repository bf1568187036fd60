import { useEffect, useRef, useState } from "react";
import { useAgents } from "../api/runs.ts";
import type { RunStatus } from "../api/types.ts";
import { durationText, usdText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { Button } from "../ui/button.tsx";
import { Icon } from "../ui/icon.tsx";
import { Key } from "../ui/key.tsx";
import { Menu, type MenuItem } from "../ui/menu.tsx";
import { runStatuses, runStatusText } from "../ui/status.tsx";
import type { FilterChange, RunFilters } from "./run-filters.ts";

const SEARCH_AFTER_MS = 250;

interface Props {
  readonly filters: RunFilters;
  readonly onChange: (change: FilterChange) => void;
}

export function FilterBar({ filters, onChange }: Props) {
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Search key={filters.text === undefined ? "empty" : "set"} text={filters.text ?? ""} onChange={onChange} />
      <StatusMenu chosen={filters.status ?? []} onChange={onChange} />
      <AgentMenu chosen={filters.agent ?? null} onChange={onChange} />
      <MoreMenu filters={filters} onChange={onChange} />
      <Chips filters={filters} onChange={onChange} />
    </div>
  );
}

function Search({ text, onChange }: { readonly text: string; readonly onChange: Props["onChange"] }) {
  const input = useRef<HTMLInputElement>(null);
  const [shown, setShown] = useState(text);
  useKeys("Runs", [{ keys: "/", label: "Search", run: () => input.current?.focus() }]);
  useEffect(() => {
    if (shown === text) return undefined;
    const timer = setTimeout(() => onChange({ text: shown.trim() }), SEARCH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [shown, text, onChange]);
  return (
    <div className="relative w-full md:w-72">
      <Icon name="search" className="pointer-events-none absolute top-2 left-2 size-3.5! text-faint" />
      <input
        ref={input}
        type="search"
        className="field h-7 py-0! pr-8! pl-7!"
        placeholder="Words in inputs, outputs, tool calls"
        aria-label="Search runs"
        value={shown}
        onChange={(event) => setShown(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <span className="absolute top-0 right-2 flex h-7 items-center">{shown === "" ? <Key name="/" /> : null}</span>
    </div>
  );
}

function StatusMenu({
  chosen,
  onChange,
}: {
  readonly chosen: readonly RunStatus[];
  readonly onChange: Props["onChange"];
}) {
  const toggle = (status: RunStatus): void =>
    onChange({ status: chosen.includes(status) ? chosen.filter((one) => one !== status) : [...chosen, status] });
  const items = runStatuses.map((status): MenuItem => ({
    label: runStatusText(status),
    isChecked: chosen.includes(status),
    run: () => toggle(status),
  }));
  const groups = [items.slice(0, 9), items.slice(9), [{ label: "Any status", run: () => onChange({ status: null }) }]];
  return <Menu trigger={<Button opensMenu>Status</Button>} groups={groups} />;
}

function AgentMenu({ chosen, onChange }: { readonly chosen: string | null; readonly onChange: Props["onChange"] }) {
  const agents = useAgents();
  const items = (agents.data?.items ?? []).map(({ name }): MenuItem => ({
    label: name,
    isChecked: name === chosen,
    run: () => onChange({ agent: name }),
  }));
  return (
    <Menu
      trigger={<Button opensMenu>Agent</Button>}
      groups={[items, [{ label: "Any agent", run: () => onChange({ agent: null }) }]]}
    />
  );
}

function MoreMenu({ filters, onChange }: Props) {
  const sort = filters.sort ?? "started";
  const sorts = (["started", "cost", "duration", "tokens"] as const).map((one): MenuItem => ({
    label:
      one === "started"
        ? "Newest first"
        : one === "cost"
          ? "Costliest first"
          : `Most ${one === "tokens" ? "tokens" : "time"} first`,
    isChecked: sort === one,
    run: () => onChange({ sort: one === "started" ? null : one }),
  }));
  const least: MenuItem[] = [
    { label: "Cost from $0.01", run: () => onChange({ minCostNanoUsd: 10_000_000 }) },
    { label: "Cost from $0.10", run: () => onChange({ minCostNanoUsd: 100_000_000 }) },
    { label: "Longer than 10 s", run: () => onChange({ minDurationMs: 10_000 }) },
    { label: "Longer than 1 min", run: () => onChange({ minDurationMs: 60_000 }) },
    { label: "From 10k tokens", run: () => onChange({ minTokens: 10_000 }) },
  ];
  const children: MenuItem = {
    label: "Child runs too",
    isChecked: filters.children === "true",
    run: () => onChange({ children: filters.children === "true" ? null : "true" }),
  };
  return (
    <Menu trigger={<Button icon="more" aria-label="Sort and more filters" />} groups={[sorts, least, [children]]} />
  );
}

/** Each filter in force, with a way to take it away. */
function Chips({ filters, onChange }: Props) {
  const chips: { readonly name: string; readonly text: string; readonly change: FilterChange }[] = [];
  for (const status of filters.status ?? []) {
    const rest = (filters.status ?? []).filter((one) => one !== status);
    chips.push({ name: `status-${status}`, text: runStatusText(status), change: { status: rest } });
  }
  for (const name of ["agent", "tool", "model", "user", "tag", "thread", "parent", "errorGroup"] as const) {
    const value = filters[name];
    if (value !== undefined) chips.push({ name, text: `${name} ${oneLine(value, 40)}`, change: { [name]: null } });
  }
  const { minCostNanoUsd, minDurationMs, minTokens } = filters;
  if (minCostNanoUsd !== undefined)
    chips.push({ name: "cost", text: `from ${usdText(minCostNanoUsd)}`, change: { minCostNanoUsd: null } });
  if (minDurationMs !== undefined)
    chips.push({ name: "time", text: `from ${durationText(minDurationMs)}`, change: { minDurationMs: null } });
  if (minTokens !== undefined)
    chips.push({ name: "tokens", text: `from ${minTokens} tokens`, change: { minTokens: null } });
  return chips.map(({ name, text, change }) => (
    <button
      key={name}
      type="button"
      className="inline-flex h-6 items-center gap-1 rounded-md bg-accent-wash px-2 text-xs text-accent-ink hover:brightness-95"
      onClick={() => onChange(change)}
      aria-label={`remove filter ${text}`}
    >
      {text}
      <Icon name="close" className="size-3!" />
    </button>
  ));
}
