import { useCallback } from "react";
import { useSearchParams } from "wouter";
import { spanIdOf } from "../api/span-id.ts";

export type InspectorTab = "call" | "prompt" | "events";
const tabs: readonly InspectorTab[] = ["call", "prompt", "events"];

export interface Selection {
  /** The span that is looked at, and the run of the tree that it is in. */
  readonly spanId: string | null;
  readonly tab: InspectorTab;
  /** The words that its arguments came from are marked. */
  readonly isWhy: boolean;
  readonly select: (spanId: string | null, options?: { readonly isWhy?: boolean }) => void;
  readonly setTab: (tab: InspectorTab) => void;
}

/** What is chosen stands in the URL: a link shows the same. */
export function useSelection(): Selection {
  const [search, setSearch] = useSearchParams();
  const change = useCallback(
    (edit: (next: URLSearchParams) => void) =>
      setSearch(
        (before) => {
          const next = new URLSearchParams(before);
          edit(next);
          return next;
        },
        { replace: true },
      ),
    [setSearch],
  );
  const select = useCallback<Selection["select"]>(
    (spanId, options) =>
      change((next) => {
        next.delete("why");
        if (spanId === null) {
          next.delete("span");
          next.delete("view");
          return;
        }
        next.set("span", spanId);
        if (options?.isWhy === true) {
          next.set("why", "1");
          next.delete("view");
        }
      }),
    [change],
  );
  const setTab = useCallback(
    (tab: InspectorTab) => change((next) => (tab === "call" ? next.delete("view") : next.set("view", tab))),
    [change],
  );
  return {
    spanId: search.get("span"),
    tab: tabs.find((one) => one === search.get("view")) ?? "call",
    isWhy: search.get("why") === "1",
    select,
    setTab,
  };
}

export function callSpanId(tenant: string, runId: string, callId: string): string {
  return spanIdOf(tenant, runId, `call:${callId}`);
}
