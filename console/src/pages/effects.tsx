import { Link, useSearchParams } from "wouter";
import { useEffects } from "../api/effects.ts";
import type { EffectRow, EffectStatus, JsonValue, ListEffectsQuery } from "../api/types.ts";
import { ResolveEffect } from "../effects/resolve-effect.tsx";
import { argumentsLine } from "../format/arguments-line.ts";
import { agoText, exactTime } from "../format/figures.ts";
import { useNow } from "../format/use-now.ts";
import { oneLine } from "../format/visible-text.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { effectLook, effectText } from "../run/effect-text.ts";
import { readJson } from "../start/schema-fields.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";
import { Fact, Facts, Section } from "../ui/facts.tsx";
import { usePageTitle } from "../ui/page-title.ts";
import { Problem } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";
import { ValueView } from "../value/value-view.tsx";

const statuses: readonly EffectStatus[] = ["unknown", "held", "started", "done", "failed", "refused"];

function queryOf(search: URLSearchParams): ListEffectsQuery {
  const status = statuses.filter((one) => search.getAll("status").includes(one));
  const text = (name: string): string | undefined => search.get(name) ?? undefined;
  const [tool, agent, run] = [text("tool"), text("agent"), text("run")];
  return {
    ...(status.length > 0 && { status }),
    ...(tool !== undefined && { tool }),
    ...(agent !== undefined && { agent }),
    ...(run !== undefined && { run }),
  };
}

const idOf = (line: EffectRow): string => `${line.runId} ${line.callId}`;

/** Every outside action: what it was, how it stands, who allowed it. */
export function EffectsPage() {
  const [search, setSearch] = useSearchParams();
  const query = queryOf(search);
  const list = useEffects(query);
  const lines = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const chosen = search.get("effect");
  const line = lines.find((one) => idOf(one) === chosen) ?? null;
  const set = (name: string, values: readonly string[]): void =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        next.delete(name);
        for (const value of values) next.append(name, value);
        return next;
      },
      { replace: true },
    );
  const move = (by: number): void => {
    const at = lines.findIndex((one) => idOf(one) === chosen);
    const next = lines[Math.max(0, Math.min(lines.length - 1, at + by))];
    if (next !== undefined) set("effect", [idOf(next)]);
  };
  usePageTitle("Effects");
  useKeys("Effects", [
    { keys: "j", label: "Next", run: () => move(1) },
    { keys: "k", label: "Before", run: () => move(-1) },
    { keys: "Escape", label: "Close the side view", run: () => set("effect", []) },
  ]);
  return (
    <div className="flex h-full">
      <section className="flex min-w-0 flex-1 flex-col">
        <header className="flex flex-col gap-2 border-b border-line px-5 py-3">
          <div>
            <h1 className="text-lg font-semibold tracking-tight">Effects</h1>
            <p className="text-soft">Everything that runs did, or wanted to do, outside of Pawl.</p>
          </div>
          <div className="flex flex-wrap gap-1.5" role="group" aria-label="Status">
            {statuses.map((status) => (
              <StatusToggle
                key={status}
                status={status}
                isOn={search.getAll("status").includes(status)}
                onToggle={() => set("status", toggled(search.getAll("status"), status))}
              />
            ))}
            {["tool", "agent", "run"].map((name) =>
              search.get(name) === null ? null : (
                <Button key={name} icon="close" onClick={() => set(name, [])}>
                  {name} {oneLine(search.get(name) ?? "", 40)}
                </Button>
              ),
            )}
          </div>
        </header>
        <div
          className="@container min-h-0 flex-1 overflow-auto"
          tabIndex={0}
          role="region"
          aria-label="List of effects"
        >
          {list.error === null ? null : <Problem error={list.error} />}
          {list.data !== undefined && lines.length === 0 ? <NoEffects /> : null}
          {lines.length === 0 ? null : (
            <EffectsTable lines={lines} chosen={chosen} onChoose={(one) => set("effect", [idOf(one)])} />
          )}
          {list.hasNextPage ? (
            <div className="p-3 text-center">
              <Button onClick={() => void list.fetchNextPage()} isBusy={list.isFetchingNextPage}>
                More
              </Button>
            </div>
          ) : null}
        </div>
      </section>
      {line === null ? null : <EffectPeek line={line} onClose={() => set("effect", [])} />}
    </div>
  );
}

function toggled(list: readonly string[], one: string): readonly string[] {
  return list.includes(one) ? list.filter((other) => other !== one) : [...list, one];
}

function StatusToggle({
  status,
  isOn,
  onToggle,
}: {
  readonly status: EffectStatus;
  readonly isOn: boolean;
  readonly onToggle: () => void;
}) {
  const { tone, text, about } = effectLook(status);
  return (
    <button
      type="button"
      aria-pressed={isOn}
      title={about}
      onClick={onToggle}
      className={`tone-${tone} inline-flex h-6 items-center gap-1.5 rounded-md border px-2 text-xs ${isOn ? "border-tone bg-tone-wash text-tone" : "border-line text-soft hover:border-line-strong"}`}
    >
      <span className="size-1.5 rounded-full bg-tone" />
      {text}
    </button>
  );
}

const head = "h-8 px-2 text-left text-2xs font-medium text-faint whitespace-nowrap";

function EffectsTable({
  lines,
  chosen,
  onChoose,
}: {
  readonly lines: readonly EffectRow[];
  readonly chosen: string | null;
  readonly onChoose: (line: EffectRow) => void;
}) {
  const now = useNow(true, 5_000);
  return (
    <table className="w-full table-fixed border-separate border-spacing-0">
      <thead className="sticky top-0 bg-canvas">
        <tr className="[&>th]:border-b [&>th]:border-line">
          <th className={`${head} w-28 pl-5!`}>Status</th>
          <th className={`${head} w-32`}>Tool</th>
          <th className={head}>Arguments</th>
          <th className={`${head} hidden w-36 @min-[36rem]:table-cell`}>Allowed by</th>
          <th className={`${head} hidden w-36 @min-[52rem]:table-cell`}>Key</th>
          <th className={`${head} w-20 pr-5! text-right!`}>When</th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr
            key={idOf(line)}
            aria-selected={idOf(line) === chosen}
            className={`h-9 cursor-pointer [&>td]:truncate [&>td]:border-b [&>td]:border-line [&>td]:px-2 ${idOf(line) === chosen ? "bg-selected" : "hover:bg-hover"}`}
            onClick={() => onChoose(line)}
          >
            <td className="pl-5!">
              <Pill tone={effectLook(line.status).tone} title={effectLook(line.status).about}>
                {effectLook(line.status).text}
              </Pill>
            </td>
            <td>
              <button type="button" className="font-medium hover:underline" onClick={() => onChoose(line)}>
                {oneLine(line.tool, 60)}
              </button>
            </td>
            <td className="font-mono text-xs text-soft">
              <bdi>{argumentsOf(line)}</bdi>
            </td>
            <td className="hidden text-soft @min-[36rem]:table-cell">{approverText(line)}</td>
            <td className="hidden font-mono text-2xs text-faint @min-[52rem]:table-cell" title={line.key}>
              {oneLine(line.key, 60)}
            </td>
            <td className="pr-5! text-right text-soft tabular" title={exactTime(line.changedAt)}>
              {agoText(line.changedAt, now)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function EffectPeek({ line, onClose }: { readonly line: EffectRow; readonly onClose: () => void }) {
  const link = `/runs/${encodeURIComponent(line.runId)}?span=${line.spanId}`;
  return (
    <aside
      aria-label="The chosen effect"
      className="absolute inset-0 z-20 flex flex-col overflow-y-auto border-l border-line bg-surface md:static md:w-96 md:shrink-0"
    >
      <header className="flex items-center gap-2 border-b border-line px-4 py-2.5">
        <Pill tone={effectLook(line.status).tone}>{effectLook(line.status).text}</Pill>
        <span className="min-w-0 flex-1 truncate font-medium">{oneLine(line.tool, 60)}</span>
        <Button look="quiet" icon="close" aria-label="Close the side view" onClick={onClose} />
      </header>
      {line.status === "unknown" ? (
        <div className="p-4">
          <ResolveEffect runId={line.runId} callId={line.callId} tool={line.tool} why={null} />
        </div>
      ) : null}
      {line.status === "held" ? (
        <p className="p-4">
          <Link href={`/reviews/${encodeURIComponent(`${line.runId}:${line.callId}`)}`} className="linkish">
            Review it
          </Link>
        </p>
      ) : null}
      <Section title="Arguments">
        <ValueView value={inputOf(line)} label="arguments" />
      </Section>
      <Section title="Facts">
        <Facts>
          <Fact name="Status">{effectLook(line.status).about}</Fact>
          <Fact name="Kind">{effectText(line.effect)}</Fact>
          <Fact name="Tool">
            {oneLine(line.tool)}@{oneLine(line.version)}
          </Fact>
          <Fact name="Attempts">{line.attempts}</Fact>
          <Fact name="Key">
            <code className="font-mono text-xs">{line.key}</code>
          </Fact>
          <Fact name="Allowed by">{approverText(line)}</Fact>
          <Fact name="Run of">{oneLine(line.principal)}</Fact>
          <Fact name="Decided">{exactTime(line.calledAt)}</Fact>
          <Fact name="Status since">{exactTime(line.changedAt)}</Fact>
          <Fact name="Run">
            <Link href={link} className="linkish font-mono text-xs">
              {line.runId}
            </Link>
          </Fact>
        </Facts>
      </Section>
    </aside>
  );
}

function approverText({ approver, status }: EffectRow): string {
  if (approver !== null) return oneLine(approver, 60);
  return status === "held" ? "nobody yet" : "no approval needed";
}

/** JSON text; where it was cut, the text as it is. */
function argumentsOf(line: EffectRow): string {
  const read = readJson(line.input);
  // cut where it was long
  return read.ok ? argumentsLine(read.value) : oneLine(line.input, 200);
}

function inputOf(line: EffectRow): JsonValue {
  const read = readJson(line.input);
  return read.ok ? read.value : line.input;
}

function NoEffects() {
  return (
    <Empty icon="effects" title="Nothing was done outside">
      <p>
        Calls of tools that only read are not listed. A tool says what a repeat would do with{" "}
        <code className="font-mono text-ink">effect</code>: idempotent, reconcilable or once.
      </p>
    </Empty>
  );
}
