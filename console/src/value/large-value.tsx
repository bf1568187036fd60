import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client as pawl } from "../api/client.ts";
import type { LargeRef } from "../run/conversation/entries.ts";
import { bytesText } from "../format/figures.ts";
import { Button } from "../ui/button.tsx";
import { Problem } from "../ui/problem.tsx";
import { ValueView } from "./value-view.tsx";

/** A value that is too large to come with its event: read when somebody asks for it. */
export function LargeValue({
  runId,
  value,
  label,
}: {
  readonly runId: string;
  readonly value: LargeRef;
  readonly label: string;
}) {
  const [isAsked, setIsAsked] = useState(false);
  const read = useQuery({
    queryKey: ["value", runId, value.hash],
    queryFn: ({ signal }) => pawl.getValue(runId, value.hash, { signal }),
    enabled: isAsked,
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (read.data !== undefined) return <ValueView value={read.data} label={label} />;
  return (
    <div className="pl-3.5">
      {read.error === null ? null : <Problem error={read.error} />}
      <Button onClick={() => setIsAsked(true)} isBusy={read.isFetching}>
        Show {bytesText(value.bytes)}
      </Button>
    </div>
  );
}
