import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Background, Controls, Handle, Position, ReactFlow, type Node, type NodeProps } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useMemo, useState } from "react";
import { client as pawl } from "../../api/client.ts";
import type { RunDetail, RunGraphView } from "../../api/types.ts";
import { Problem } from "../../ui/problem.tsx";
import { ValueView } from "../../value/value-view.tsx";
import { placed, type NodeLook, type NodeText } from "./graph-layout.ts";

interface Props {
  readonly run: RunDetail;
  /** Of the newest event: what is shown is read again when it rises. */
  readonly seq: number;
  /** A node was chosen that ran in this turn. */
  readonly onTurn: (turn: number) => void;
  /** null where the person may not. */
  readonly onFork: ((turn: number) => void) | null;
}

/** A run over its graph: which nodes ran in each superstep, and the state before each. */
export function GraphView({ run, seq, onTurn, onFork }: Props) {
  const { runId } = run;
  const graph = useQuery({
    queryKey: ["run", runId, "graph", seq],
    queryFn: ({ signal }) => pawl.getRunGraph(runId, { signal }),
    placeholderData: keepPreviousData,
  });
  const [chosen, setChosen] = useState<number | null>(null);
  const last = (graph.data?.supersteps.length ?? 1) - 1;
  const turn = Math.min(chosen ?? last, last);
  const state = useQuery({
    queryKey: ["run", runId, "graph-state", turn],
    queryFn: ({ signal }) => pawl.getGraphState(runId, { turn }, { signal }),
    placeholderData: keepPreviousData,
    enabled: graph.data !== undefined,
  });
  if (graph.error !== null) return <Problem error={graph.error} />;
  if (graph.data === undefined) return <div className="pulse m-5 h-40 rounded-lg bg-sunken" aria-busy="true" />;
  const ran = graph.data.supersteps[turn]?.nodes ?? [];
  return (
    <div className="flex h-full min-h-0 flex-col overflow-y-auto md:flex-row md:overflow-hidden">
      <div className="h-88 min-w-0 shrink-0 md:h-auto md:flex-1" role="region" aria-label="Graph of the run">
        <Drawing data={graph.data} turn={turn} onTurn={onTurn} />
      </div>
      <aside className="flex w-full shrink-0 flex-col gap-3 border-t border-line p-4 md:w-96 md:overflow-y-auto md:border-t-0 md:border-l">
        <label className="block">
          <span className="label">
            Superstep {turn + 1} of {last + 1}: {ran.join(", ") || "none"}
          </span>
          <input
            type="range"
            className="mt-2 w-full accent-(--accent)"
            min={0}
            max={last}
            value={turn}
            onChange={(event) => setChosen(Number(event.target.value) === last ? null : Number(event.target.value))}
          />
        </label>
        {onFork === null || turn === 0 ? null : (
          <button type="button" className="linkish self-start text-sm" onClick={() => onFork(turn)}>
            Fork before this superstep
          </button>
        )}
        <h2 className="label">State before it</h2>
        {state.error === null ? null : <Problem error={state.error} />}
        {state.data === undefined || state.data.state === null ? (
          <p className="text-sm text-soft">Only the run's input.</p>
        ) : (
          <ValueView key={turn} value={state.data.state} label="State of the graph" />
        )}
      </aside>
    </div>
  );
}

interface DrawingProps {
  readonly data: RunGraphView;
  readonly turn: number;
  readonly onTurn: (turn: number) => void;
}

function Drawing({ data, turn, onTurn }: DrawingProps) {
  const { picture, supersteps, status } = data;
  const { nodes, edges } = useMemo(
    () =>
      placed(picture, (name) => {
        const times = supersteps.slice(0, turn + 1).filter((one) => one.nodes.includes(name)).length;
        const isNow = supersteps[turn]?.nodes.includes(name) === true;
        const isLast = turn === supersteps.length - 1;
        const isEnd = name === "__start__" || (name === "__end__" && isLast && status === "completed");
        const look = isNow ? lookNow(isLast, status) : times > 0 || isEnd ? "done" : "idle";
        const one = picture.nodes.find((node) => node.name === name);
        const kind = one === undefined ? "" : `${one.kind}${one.isMap ? " × items" : ""}`;
        return { look, detail: times > 0 ? `${kind} · ${times} ×` : kind };
      }),
    [picture, supersteps, turn, status],
  );
  const choose = (_: unknown, node: Node): void => {
    const at = supersteps.slice(0, turn + 1).findLast((one) => one.nodes.includes(node.id));
    if (at !== undefined) onTurn(at.turn);
  };
  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      nodesDraggable={false}
      nodesConnectable={false}
      colorMode="system"
      onNodeClick={choose}
      fitView
      minZoom={0.2}
      fitViewOptions={{ maxZoom: 1.2 }}
    >
      <Background />
      <Controls showInteractive={false} />
    </ReactFlow>
  );
}

function lookNow(isLast: boolean, status: RunGraphView["status"]): NodeLook {
  if (!isLast) return "now";
  if (status === "failed" || status === "blocked") return "bad";
  return status === "completed" ? "done" : "now";
}

const looks: { readonly [look in NodeLook]: string } = {
  now: "border-(--run) bg-(--run-wash)",
  done: "border-(--ok) bg-(--ok-wash)",
  bad: "border-(--bad) bg-(--bad-wash)",
  idle: "border-line bg-surface",
};

function StepNode({ data }: NodeProps<Node<NodeText>>) {
  return (
    <div
      className={`flex h-[52px] w-[168px] flex-col justify-center rounded-lg border-2 px-3 ${looks[data.look]}`}
      data-graph-node={data.label}
      data-look={data.look}
    >
      <Handle type="target" position={Position.Top} className="opacity-0" />
      <span className="truncate text-sm font-medium text-ink">{data.label}</span>
      <span className="truncate text-xs text-soft">{data.detail}</span>
      <Handle type="source" position={Position.Bottom} className="opacity-0" />
      <Handle type="source" id="back" position={Position.Right} className="opacity-0" />
      <Handle type="target" id="back" position={Position.Right} className="opacity-0" />
    </div>
  );
}

const nodeTypes = { step: StepNode };
