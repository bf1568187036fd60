import { useQueryClient } from "@tanstack/react-query";
import { logout, type Session } from "../api/session.ts";
import { oneLine } from "../format/visible-text.ts";
import { Icon } from "../ui/icon.tsx";
import { Menu, type MenuItem } from "../ui/menu.tsx";
import { useToast } from "../ui/toast.tsx";
import { useTheme, type Theme } from "./theme.ts";

const themes: readonly { readonly theme: Theme; readonly label: string; readonly icon: MenuItem["icon"] }[] = [
  { theme: "system", label: "System theme", icon: "screen" },
  { theme: "light", label: "Light", icon: "sun" },
  { theme: "dark", label: "Dark", icon: "moon" },
];

/** Who one is, for which tenant; theme, keys, log out. */
export function AccountMenu({ session, onKeys }: { readonly session: Session; readonly onKeys: () => void }) {
  const { theme, setTheme } = useTheme();
  const client = useQueryClient();
  const say = useToast();
  const leave = async (): Promise<void> => {
    try {
      await logout();
      client.setQueryData(["session"], null);
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
    } catch (error) {
      say(error instanceof Error ? error.message : "logging out failed", true);
    }
  };
  const out: MenuItem[] =
    session.kind === "session" ? [{ label: "Log out", icon: "close", run: () => void leave() }] : [];
  return (
    <Menu
      heading={`${session.roles.join(", ")} in tenant ${oneLine(session.tenant)}`}
      groups={[
        themes.map(({ theme: one, label, icon }) => ({
          label,
          ...(icon !== undefined && { icon }),
          isChecked: theme === one,
          run: () => setTheme(one),
        })),
        [
          { label: "API", icon: "code", run: () => void window.open("/docs", "_blank", "noopener") },
          { label: "Keys", icon: "keyboard", keyHint: "?", run: onKeys },
        ],
        out,
      ]}
      trigger={
        <button
          type="button"
          className="flex h-12 items-center gap-2 rounded-md px-2 text-sm text-soft hover:bg-hover hover:text-ink md:h-8"
        >
          <Icon name="person" className="text-faint" />
          <span className="hidden min-w-0 flex-1 truncate text-left md:block">{oneLine(session.principal, 60)}</span>
          <span className="sr-only">Account and theme</span>
        </button>
      }
    />
  );
}
