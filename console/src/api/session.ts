import { useQuery } from "@tanstack/react-query";
import type { Session } from "../../../src/client.ts";
import { client as pawl, ClientError } from "./client.ts";

export type { Session };

type Role = "read" | "run" | "review" | "operate" | "admin";

/** Who the browser is to the server; null = it must show a key first. */
export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: async ({ signal }) => {
      try {
        const key = keyFromAddress();
        if (key !== null) return await login(key);
        return await pawl.getSession({ signal });
      } catch (error) {
        if (error instanceof ClientError && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: 60_000,
    retryDelay: 1_000,
  });
}

/** `pawl up` opens the page with its key behind the "#", which browsers send to nobody. It is taken out of sight at once. */
function keyFromAddress(): string | null {
  const found = /^#key=([\w-]+)$/.exec(location.hash);
  if (found === null) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  return found[1] ?? null;
}

export function login(key: string): Promise<Session> {
  return pawl.openSession({ key });
}

export function logout(): Promise<void> {
  return pawl.closeSession();
}

const grants: { readonly [role in Role]: readonly Role[] } = {
  read: ["read"],
  run: ["run", "read"],
  review: ["review", "read"],
  operate: ["operate", "run", "read"],
  admin: ["read", "run", "review", "operate", "admin"],
};

export function may(session: Session | null | undefined, needed: Role): boolean {
  return session?.roles.some((role) => grants[role].includes(needed)) ?? false;
}
