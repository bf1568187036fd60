import { useEffect } from "react";

/** Title of the browser's tab: every state has a name in the history. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Pawl`;
  }, [title]);
}
