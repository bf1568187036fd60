import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { client as pawl } from "../api/client.ts";
import type { ConfidenceReport } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";
import { Problem } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";
import { useToast } from "../ui/toast.tsx";

type Measured = ConfidenceReport["calls"][number];

const gates = {
  auto_approved: { tone: "ok", text: "auto-approved" },
  asked: { tone: "wait", text: "asked" },
  refused: { tone: "bad", text: "refused" },
} as const;

/** Calls whose confidence was measured: what the gate did with each, and whether it was right to. */
export function MeasuredCalls() {
  const report = useQuery({
    queryKey: ["confidence"],
    queryFn: ({ signal }) => pawl.getConfidence({}, { signal }),
  });
  if (report.error !== null) return <Problem error={report.error} />;
  if (report.data === undefined) return <div className="min-h-64" aria-busy="true" />;
  const { tools, calls } = report.data;
  if (calls.length === 0)
    return (
      <Empty icon="check" title="No call was measured">
        <p>
          A tool with a measure of confidence lets a call pass where it is sure enough, and asks a person where it is
          not.
        </p>
      </Empty>
    );
  return (
    <>
      <h2 className="text-base font-semibold">Measured calls of the newest 100 runs</h2>
      <ul className="my-2 text-sm text-soft">
        {tools.map(({ tool, right, wrong, open, threshold, suggested }) => (
          <li key={tool}>
            {oneLine(tool, 60)}: threshold {threshold.toFixed(2)}; {right} right, {wrong} wrong, {open} open
            {suggested === null || suggested === threshold ? "" : `; ${suggested.toFixed(2)} is suggested`}
          </li>
        ))}
      </ul>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Measured calls">
        <table className="w-full text-sm">
          <thead>
            <tr className="text-left text-xs text-faint">
              {["Call", "Score", "Gate", "Outcome", ""].map((head) => (
                <th key={head} scope="col" className="py-1 pr-3 font-medium">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {calls.map((call) => (
              <Row key={`${call.runId}:${call.callId}`} call={call} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Row({ call }: { readonly call: Measured }) {
  const { runId, callId, tool, score, threshold, decision, outcome, reason } = call;
  return (
    <tr className="border-t border-line align-top">
      <td className="py-1.5 pr-3">
        <Link href={`/runs/${encodeURIComponent(runId)}`} className="linkish wrap-anywhere">
          {oneLine(tool, 40)} <span className="text-2xs text-faint">{oneLine(`${runId} ${callId}`, 60)}</span>
        </Link>
      </td>
      <td className="py-1.5 pr-3 whitespace-nowrap tabular" title={oneLine(reason, 300)}>
        {score === null ? "none" : score.toFixed(2)} of {threshold.toFixed(2)}
      </td>
      <td className="py-1.5 pr-3">
        <Pill tone={gates[decision].tone}>{gates[decision].text}</Pill>
      </td>
      <td className="py-1.5 pr-3">{outcome}</td>
      <td className="py-1.5">
        <Judge call={call} />
      </td>
    </tr>
  );
}

function Judge({ call: { runId, callId, outcome } }: { readonly call: Measured }) {
  const client = useQueryClient();
  const say = useToast();
  const judge = async (said: "right" | "wrong"): Promise<void> => {
    try {
      await pawl.judgeCall({ runId, callId }, { outcome: said });
      await client.invalidateQueries({ queryKey: ["confidence"] });
    } catch (error) {
      say(error instanceof Error ? error.message : "it was not recorded", true);
    }
  };
  const other = outcome === "wrong" ? "right" : "wrong";
  return (
    <Button look="quiet" needsServer className="h-6! text-xs!" onClick={() => void judge(other)}>
      It was {other}
    </Button>
  );
}
