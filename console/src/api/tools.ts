import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { client as pawl } from "./client.ts";
import type { GrantRequest } from "./types.ts";

const POLL_MS = 5_000;

/** Versions of tools, how they stand and how their calls went. */
export function useTools() {
  return useQuery({
    queryKey: ["tools"],
    queryFn: ({ signal }) => pawl.listTools({ signal }),
    refetchInterval: POLL_MS,
  });
}

export function useGrants(tool: string) {
  return useQuery({ queryKey: ["grants", tool], queryFn: ({ signal }) => pawl.listGrants({ tool }, { signal }) });
}

/** What changed since it was accepted; `hash` says of which definition. */
export function useToolDiff(tool: string, version: string, hash: string) {
  return useQuery({
    queryKey: ["tool-diff", tool, version, hash],
    queryFn: ({ signal }) => pawl.diffTool(tool, { version }, { signal }),
  });
}

/** What people do to a tool; all that is shown of it is asked for again. */
export function useToolActions(tool: string, version: string) {
  const client = useQueryClient();
  const onSettled = () =>
    Promise.all(["tools", "grants", "tool-diff"].map((key) => client.invalidateQueries({ queryKey: [key] })));
  return {
    accept: useMutation({ mutationFn: (hash: string) => pawl.acceptTool(tool, { version, hash }), onSettled }),
    quarantine: useMutation({
      mutationFn: (reason: string) => pawl.quarantineTool(tool, { version, ...(reason !== "" && { reason }) }),
      onSettled,
    }),
    grant: useMutation({ mutationFn: (body: GrantRequest) => pawl.grantTool(body), onSettled }),
    revoke: useMutation({ mutationFn: (id: string) => pawl.revokeGrant(id), onSettled }),
  };
}
