import { QueryCache, QueryClient } from "@tanstack/react-query";
import { ClientError } from "./client.ts";

/** Refusals are final; a server that cannot be reached is asked again. A session that ended leads to the login. */
export const queryClient: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof ClientError && error.status === 401) queryClient.setQueryData(["session"], null);
    },
  }),
  defaultOptions: {
    queries: {
      retry: (failures, error) => !(error instanceof ClientError) && failures < 3,
      staleTime: 1_000,
      refetchOnWindowFocus: true,
    },
  },
});
