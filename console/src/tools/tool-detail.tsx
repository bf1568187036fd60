import { useState } from "react";
import { Link } from "wouter";
import { argument, cliOf, curlOf, typescriptOf } from "../actions/copy-texts.ts";
import { may, useSession } from "../api/session.ts";
import { useGrants, useToolActions, useToolDiff } from "../api/tools.ts";
import type { GrantLine, ToolLine } from "../api/types.ts";
import { exactTime, usdText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { Field, Words } from "../run/run-dialogs.tsx";
import { Button } from "../ui/button.tsx";
import { Fact, Facts, Section } from "../ui/facts.tsx";
import { Problem } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";
import { useToast } from "../ui/toast.tsx";
import { GrantDialog } from "./grant-dialog.tsx";
import { standingOf } from "./standing.ts";

type Asked = "accept" | "quarantine" | "grant" | null;

/** One version of a tool: what it is, what changed, who was granted what. */
export function ToolDetail({ line }: { readonly line: ToolLine }) {
  const session = useSession().data;
  const [asked, setAsked] = useState<Asked>(null);
  const { tone, text, about } = standingOf(line);
  const isWaiting = line.state === "quarantined" || line.state === "changed";
  const [mayAdmin, mayOperate] = [may(session, "admin"), may(session, "operate")];
  return (
    <aside className="card w-full min-w-0 lg:w-[26rem] lg:shrink-0" aria-label={`${line.name}@${line.version}`}>
      <Section
        title={<span className="wrap-anywhere">{oneLine(`${line.name}@${line.version}`, 80)}</span>}
        side={<Pill tone={tone}>{text}</Pill>}
      >
        <p className="wrap-anywhere text-soft">{oneLine(line.description, 1_000)}</p>
        <p className="mt-1 text-xs text-faint">{about}</p>
        <div className="mt-2 flex flex-wrap gap-2">
          {mayAdmin && isWaiting ? <Button onClick={() => setAsked("accept")}>Look and accept</Button> : null}
          {mayAdmin && line.capabilities.length > 0 ? <Button onClick={() => setAsked("grant")}>Grant</Button> : null}
          {mayOperate && line.state !== "quarantined" ? (
            <Button look="bad" onClick={() => setAsked("quarantine")}>
              Quarantine
            </Button>
          ) : null}
        </div>
      </Section>
      <Section title="What it is">
        <WhatItIs line={line} />
      </Section>
      {isWaiting ? (
        <Section title="What changed">
          <Changes line={line} />
        </Section>
      ) : null}
      {line.capabilities.length === 0 ? null : (
        <Section title="Grants">
          <Grants line={line} mayRevoke={mayOperate} />
        </Section>
      )}
      <Section title="Input schema">
        <pre className="max-h-72 overflow-auto text-xs wrap-anywhere whitespace-pre-wrap" tabIndex={0}>
          {JSON.stringify(line.inputSchema, null, 2)}
        </pre>
      </Section>
      {asked === "accept" ? <AcceptDialog line={line} onClose={() => setAsked(null)} /> : null}
      {asked === "quarantine" ? <QuarantineDialog line={line} onClose={() => setAsked(null)} /> : null}
      {asked === "grant" ? <GrantDialog line={line} onClose={() => setAsked(null)} /> : null}
    </aside>
  );
}

function WhatItIs({ line }: { readonly line: ToolLine }) {
  const { review, health, rate } = line;
  const accepted = review === null ? "not yet" : `${review.by ?? "at first sight"}, ${exactTime(review.at)}`;
  return (
    <Facts>
      <Fact name="Effect">{line.effect}</Fact>
      <Fact name="From">{line.origin === null ? "this program" : oneLine(line.origin, 80)}</Fact>
      <Fact name="Asks for">{line.capabilities.map((one) => oneLine(one, 120)).join(", ") || "nothing"}</Fact>
      <Fact name="Used by">{line.usedBy.join(", ")}</Fact>
      <Fact name="Accepted">{accepted}</Fact>
      <Fact name="Hash">{line.hash.slice(0, 12)}</Fact>
      {line.owner === null ? null : <Fact name="Owner">{oneLine(line.owner, 80)}</Fact>}
      {rate === null ? null : (
        <Fact name="Rate">
          {rate.calls} calls in {rate.perMs} ms, per tenant
        </Fact>
      )}
      {line.cost === null ? null : (
        <Fact name="Cost">
          {line.cost.isFixed ? "" : "up to "}
          {usdText(line.cost.nanoUsdMax)} a call
        </Fact>
      )}
      {line.deprecated === null ? null : <Fact name="Deprecated">{oneLine(line.deprecated, 200)}</Fact>}
      {health.lastError === null ? null : (
        <Fact name="Last error">
          {health.lastError.code}, {exactTime(health.lastError.at)}
        </Fact>
      )}
      <Fact name="Calls">
        <Link href={`/usage?by=agent&tool=${encodeURIComponent(line.name)}`} className="linkish">
          Who used it
        </Link>
      </Fact>
    </Facts>
  );
}

function Changes({ line }: { readonly line: ToolLine }) {
  const diff = useToolDiff(line.name, line.version, line.hash);
  if (diff.data === undefined) return diff.error === null ? null : <Problem error={diff.error} />;
  if (diff.data.changes.length === 0) return <p className="text-soft">It says what was accepted.</p>;
  return (
    <ul className="flex flex-col gap-2 text-sm" aria-label="Changes">
      {diff.data.changes.map(({ path, before, after }) => (
        <li key={path}>
          <span className="label wrap-anywhere">{oneLine(path, 120)}</span>
          {before === null ? null : (
            <p className="wrap-anywhere text-bad">
              <span aria-label="before">−</span> {oneLine(before, 2_000)}
            </p>
          )}
          {after === null ? null : (
            <p className="wrap-anywhere text-ok">
              <span aria-label="now">+</span> {oneLine(after, 2_000)}
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}

function whomText({ agent, principal, role, version }: GrantLine): string {
  const named = Object.entries({ agent, principal, role, version }).filter(([, one]) => one !== undefined);
  return named.map(([kind, one]) => `${kind} ${oneLine(one ?? "", 60)}`).join(", ") || "every run";
}

function Grants({ line, mayRevoke }: { readonly line: ToolLine; readonly mayRevoke: boolean }) {
  const grants = useGrants(line.name);
  const say = useToast();
  const { revoke } = useToolActions(line.name, line.version);
  if (grants.data === undefined) return grants.error === null ? null : <Problem error={grants.error} />;
  if (grants.data.items.length === 0) return <p className="text-soft">Nobody was granted anything.</p>;
  return (
    <ul className="flex flex-col gap-2 text-sm" aria-label="Grants">
      {grants.data.items.map((grant) => (
        <li key={grant.id} className="flex items-start gap-2">
          <div className="min-w-0 flex-1">
            <p className="wrap-anywhere">
              {grant.capabilities.map((one) => oneLine(one, 120)).join(", ")} to {whomText(grant)}
            </p>
            <p className="text-xs wrap-anywhere text-faint">
              {grant.state}
              {grant.until === undefined ? "" : `, until ${exactTime(grant.until)}`}, by {oneLine(grant.by, 60)}
              {grant.reason === undefined ? "" : `: ${oneLine(grant.reason, 200)}`}
            </p>
          </div>
          {mayRevoke && grant.state === "active" && !grant.declared ? (
            <Button
              look="bad"
              aria-label={`Revoke ${grant.capabilities.join(", ")}`}
              isBusy={revoke.isPending}
              onClick={() =>
                revoke.mutate(grant.id, {
                  onSuccess: () => say("Revoked: no further call starts by it"),
                  onError: (error) => say(error.message, true),
                })
              }
            >
              Revoke
            </Button>
          ) : null}
        </li>
      ))}
    </ul>
  );
}

interface DialogProps {
  readonly line: ToolLine;
  readonly onClose: () => void;
}

function AcceptDialog({ line, onClose }: DialogProps) {
  const say = useToast();
  const { accept } = useToolActions(line.name, line.version);
  // what is accepted is what was shown when the question was asked
  const [hash] = useState(line.hash);
  const { name, version } = line;
  const body = { version, hash };
  return (
    <Words
      isOpen
      onClose={onClose}
      title={`Accept ${oneLine(name, 64)}@${oneLine(version, 40)}`}
      about="Runs that start from now on may use it as it is shown here. Runs that go on keep what they began with."
      action="Accept this definition"
      isBusy={accept.isPending}
      canSend
      texts={() => ({
        curl: curlOf(`/tools/${encodeURIComponent(name)}/accept`, body),
        typescript: typescriptOf(`acceptTool(${argument(name)}, ${argument(body)})`),
        cli: cliOf("tools", "accept", `${name}@${version}`, "--hash", hash),
      })}
      onSend={() =>
        accept.mutate(hash, {
          onSuccess: () => {
            say("Accepted");
            onClose();
          },
          onError: (error) => say(error.message, true),
        })
      }
    >
      <Changes line={line} />
    </Words>
  );
}

function QuarantineDialog({ line, onClose }: DialogProps) {
  const say = useToast();
  const { quarantine } = useToolActions(line.name, line.version);
  const [reason, setReason] = useState("");
  const { name, version } = line;
  const body = { version, ...(reason !== "" && { reason }) };
  return (
    <Words
      isOpen
      onClose={onClose}
      title={`Quarantine ${oneLine(name, 64)}@${oneLine(version, 40)}`}
      about="No call of it starts any more, also in runs that go on, until somebody accepts it again. Calls that have started are not stopped."
      action="Stop its calls"
      isBad
      isBusy={quarantine.isPending}
      canSend
      texts={() => ({
        curl: curlOf(`/tools/${encodeURIComponent(name)}/quarantine`, body),
        typescript: typescriptOf(`quarantineTool(${argument(name)}, ${argument(body)})`),
        cli: cliOf("tools", "quarantine", `${name}@${version}`, ...(reason === "" ? [] : ["--reason", reason])),
      })}
      onSend={() =>
        quarantine.mutate(reason, {
          onSuccess: () => {
            say("Quarantined");
            onClose();
          },
          onError: (error) => say(error.message, true),
        })
      }
    >
      <Field label="Reason" value={reason} onChange={setReason} />
    </Words>
  );
}
