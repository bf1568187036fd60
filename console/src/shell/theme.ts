import { useState } from "react";

export type Theme = "system" | "light" | "dark";
const KEY = "pawl.theme";

function stored(): Theme {
  const theme = document.documentElement.dataset["theme"];
  return theme === "light" || theme === "dark" ? theme : "system";
}

/** The theme that was chosen; public/theme.js applies it before the first paint. */
export function useTheme(): { readonly theme: Theme; readonly setTheme: (theme: Theme) => void } {
  const [theme, setShown] = useState<Theme>(stored);
  const setTheme = (next: Theme): void => {
    if (next === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = next;
    try {
      if (next === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, next);
    } catch {
      // storage is forbidden: the choice lasts until the page is left
    }
    setShown(next);
  };
  return { theme, setTheme };
}
