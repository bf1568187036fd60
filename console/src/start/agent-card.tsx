import { useState } from "react";
import type { AgentDetail } from "../api/types.ts";
import { exactText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { Icon } from "../ui/icon.tsx";
import { Pill } from "../ui/status.tsx";
import { Prose } from "../value/prose.tsx";
import { effectText } from "../run/effect-text.ts";

/** What one is about to start: model, tools and what they may do outside, limits. */
export function AgentCard({ agent }: { readonly agent: AgentDetail }) {
  const [isOpen, setIsOpen] = useState(false);
  const { turns, tokens, costUsd } = agent.limits;
  const limits = [
    turns === undefined ? null : `${turns} ${turns === 1 ? "turn" : "turns"}`,
    tokens === undefined ? null : `${exactText(tokens)} tokens`,
    costUsd === undefined ? null : `$${costUsd}`,
  ].filter((one) => one !== null);
  return (
    <div className="mb-5">
      <div className="flex items-center gap-2">
        <h2 className="text-base font-semibold">{oneLine(agent.name)}</h2>
        <span className="font-mono text-2xs text-faint">{oneLine(agent.version, 12)}</span>
      </div>
      <p className="mt-0.5 text-soft">{oneLine(agent.description, 600)}</p>
      <div className="mt-2 flex flex-wrap items-center gap-1.5">
        {agent.models.map((model) => (
          <Pill key={model}>
            <Icon name="model" className="size-3!" /> {oneLine(model)}
          </Pill>
        ))}
        {agent.tools.map((tool) => (
          <Pill
            key={tool.name}
            tone={tool.effect === "pure" ? "none" : "wait"}
            title={`${tool.description} (${effectText(tool.effect)})`}
          >
            <Icon name={tool.effect === "pure" ? "tool" : "effects"} className="size-3!" /> {tool.name}
          </Pill>
        ))}
        {limits.length === 0 ? null : <span className="text-xs text-faint">at most {limits.join(", ")}</span>}
      </div>
      {agent.instructions === null ? null : (
        <div className="mt-2">
          <button type="button" className="linkish text-xs" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
            {isOpen ? "Hide instructions" : "Instructions"}
          </button>
          {isOpen ? (
            <div className="mt-1 max-h-60 overflow-y-auto rounded-md bg-sunken p-3 text-soft" tabIndex={0}>
              <Prose text={agent.instructions} />
            </div>
          ) : null}
        </div>
      )}
    </div>
  );
}
