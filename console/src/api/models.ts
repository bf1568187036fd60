import { useMutation, useQuery } from "@tanstack/react-query";
import { client as pawl } from "./client.ts";

const POLL_MS = 2_000;

/** Load and health, kept fresh; only who operates may see them. */
export function useModelStatus(mayOperate: boolean) {
  return useQuery({
    queryKey: ["model-status"],
    queryFn: ({ signal }) => pawl.getModelStatus({ signal }),
    refetchInterval: POLL_MS,
    enabled: mayOperate,
  });
}

/** The models that agents ask for. */
export function useModels() {
  return useQuery({ queryKey: ["models"], queryFn: ({ signal }) => pawl.listModels({ signal }), staleTime: 10_000 });
}

/** One streamed tool call, which costs what it costs. */
export function useCheckModel() {
  return useMutation({ mutationFn: (route: string) => pawl.checkModel({ route }) });
}
