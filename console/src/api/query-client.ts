import { QueryClient } from "@tanstack/react-query";
import { ClientError } from "./client.ts";

/** Refusals are final; a server that cannot be reached is asked again. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => !(error instanceof ClientError) && failures < 3,
      staleTime: 1_000,
      refetchOnWindowFocus: true,
    },
  },
});
