import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf, type CopyTexts } from "../actions/copy-texts.ts";
import { client as pawl } from "../api/client.ts";
import type { ResolveEffectRequest } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { readJson } from "../start/schema-fields.ts";
import { Button } from "../ui/button.tsx";
import { useToast } from "../ui/toast.tsx";

interface Props {
  readonly runId: string;
  readonly callId: string;
  readonly tool: string;
  /** Which unknown it is about; absent = the one that is open. */
  readonly seq?: number;
  readonly why: string | null;
}

/** Nobody knows whether it happened: a person looks outside, and says. */
export function ResolveEffect({ runId, callId, tool, seq, why }: Props) {
  const client = useQueryClient();
  const say = useToast();
  const [result, setResult] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const requestFor = (resolution: ResolveEffectRequest["resolution"]): ResolveEffectRequest => {
    const read = readJson(result);
    const given = resolution === "applied" && result.trim() !== "";
    return { resolution, ...(given && { result: read.ok ? read.value : result }), ...(seq !== undefined && { seq }) };
  };
  const resolve = async (resolution: ResolveEffectRequest["resolution"]): Promise<void> => {
    setIsBusy(true);
    try {
      await pawl.resolveEffect({ runId, callId }, requestFor(resolution));
      say(resolution === "applied" ? `${tool}: recorded as happened` : `${tool}: is tried again with the same key`);
      await client.invalidateQueries();
    } catch (error) {
      say(error instanceof Error ? error.message : "it was not recorded", true);
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <div className="tone-odd rounded-md bg-tone-wash p-3">
      <p className="font-medium text-tone">Nobody knows whether {oneLine(tool, 60)} happened.</p>
      <p className="mt-0.5 text-xs text-soft">
        {why === null ? "" : `${oneLine(why, 400)} `}Look at the other system, then say what you found. It is recorded
        with your name.
      </p>
      <label htmlFor={`result-${callId}`} className="label mt-2 block">
        If it happened: what it gave (optional)
      </label>
      <input
        id={`result-${callId}`}
        className="field mt-1 font-mono text-xs!"
        placeholder='{"id": "tr_123"}'
        value={result}
        onChange={(event) => setResult(event.target.value)}
      />
      <div className="mt-2 flex flex-wrap items-center gap-2">
        <Button onClick={() => void resolve("applied")} isBusy={isBusy}>
          It happened
        </Button>
        <Button onClick={() => void resolve("not_applied")} isBusy={isBusy}>
          It did not: try again
        </Button>
        <CopyAs what="resolve" texts={() => resolveTexts(runId, callId, requestFor("applied"))} />
      </div>
    </div>
  );
}

function resolveTexts(runId: string, callId: string, request: ResolveEffectRequest): CopyTexts {
  const body = { ...request } as unknown as { [name: string]: string };
  const path = `/runs/${encodeURIComponent(runId)}/effects/${encodeURIComponent(callId)}/resolution`;
  return {
    curl: curlOf(path, body),
    typescript: typescriptOf(`resolveEffect(${argument({ runId, callId })}, ${argument(body)})`),
    cli: cliOf(
      "resolve",
      runId,
      callId,
      request.resolution === "applied" ? "happened" : "not-happened",
      ...(request.result === undefined ? [] : ["--result", JSON.stringify(request.result)]),
      ...(request.seq === undefined ? [] : ["--seq", String(request.seq)]),
    ),
  };
}
