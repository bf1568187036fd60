import { useMemo, useRef, useState, type FormEvent } from "react";
import { useLocation } from "wouter";
import { CopyAs } from "../actions/copy-as.tsx";
import { argument, cliOf, curlOf, typescriptOf, type CopyTexts } from "../actions/copy-texts.ts";
import { client as pawl } from "../api/client.ts";
import { newKey } from "../api/new-key.ts";
import { useAgent, useAgents } from "../api/runs.ts";
import type { AgentDetail, JsonValue, StartRunRequest } from "../api/types.ts";
import { useKeys } from "../keys/keyboard.tsx";
import { AgentCard } from "../start/agent-card.tsx";
import { InputForm, textsFor, WHOLE, type Texts } from "../start/input-form.tsx";
import { readOptions, RunOptions, type OptionTexts } from "../start/run-options.tsx";
import { formShapeOf, readFields, readJson, type FormShape, type Read } from "../start/schema-fields.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/empty.tsx";
import { Key } from "../ui/key.tsx";
import { usePageTitle } from "../ui/page-title.ts";
import { Problem } from "../ui/problem.tsx";
import { oneLine } from "../format/visible-text.ts";

/** Start a run: which agent, with what. The agent stands in the URL. */
export function StartPage({ agent }: { readonly agent: string | null }) {
  const agents = useAgents();
  const [, navigate] = useLocation();
  const items = agents.data?.items ?? [];
  const first = items.find(({ kind }) => kind === "agent") ?? items[0];
  const chosen = agent ?? first?.name ?? null;
  const detail = useAgent(chosen);
  usePageTitle("Start a run");
  return (
    <div className="h-full overflow-y-auto">
      <div className="mx-auto grid max-w-5xl grid-cols-[minmax(0,1fr)] gap-8 px-5 py-6 lg:grid-cols-[15rem_minmax(0,1fr)]">
        <section className="min-w-0">
          <h1 className="mb-3 text-lg font-semibold tracking-tight">Start a run</h1>
          <nav aria-label="Agents" className="flex flex-col gap-px">
            {items.map((one) => (
              <button
                key={one.name}
                type="button"
                aria-current={one.name === chosen}
                className={`flex flex-col rounded-md px-2.5 py-1.5 text-left ${one.name === chosen ? "bg-selected" : "hover:bg-hover"}`}
                onClick={() => navigate(`/start/${encodeURIComponent(one.name)}`, { replace: true })}
              >
                <span className="font-medium">{oneLine(one.name)}</span>
                <span className="line-clamp-2 text-xs text-soft">{oneLine(one.description, 160)}</span>
              </button>
            ))}
          </nav>
        </section>
        <section className="min-w-0">
          {agents.error === null ? null : <Problem error={agents.error} />}
          {detail.error === null ? null : <Problem error={detail.error} />}
          {agents.data !== undefined && items.length === 0 ? <NoAgents /> : null}
          {detail.data === undefined && chosen !== null && detail.error === null ? <FormSkeleton /> : null}
          {detail.data === undefined ? null : <StartForm key={detail.data.name} agent={detail.data} />}
        </section>
      </div>
    </div>
  );
}

function FormSkeleton() {
  return <div className="pulse h-60 rounded-lg bg-sunken" aria-busy="true" aria-label="Loading the agent" />;
}

function NoAgents() {
  return (
    <Empty icon="code" title="No agent is registered">
      <p>
        Write one: <code className="font-mono text-ink">pawl init my-agent</code> makes a project with a configuration,
        one agent and one tool. <code className="font-mono text-ink">pawl up</code> in it shows the agent here.
      </p>
    </Empty>
  );
}

const isMac = /mac|iphone|ipad/i.test(navigator.platform);

function StartForm({ agent }: { readonly agent: AgentDetail }) {
  const shape = useMemo(() => formShapeOf(agent.inputSchema), [agent.inputSchema]);
  const [texts, setTexts] = useState<Texts>({});
  const [options, setOptions] = useState<OptionTexts>({});
  const { submit, isBusy, problem } = useSubmit(agent, () => readInput(shape, texts), options);
  const form = useRef<HTMLFormElement>(null);
  useKeys("Start", [{ keys: "i", label: "Write the input", run: () => focusFirst(form.current) }]);
  return (
    <form
      ref={form}
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void submit();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) void submit();
        if (event.key === "Escape" && event.target instanceof HTMLElement) event.target.blur();
      }}
    >
      <AgentCard agent={agent} />
      {agent.samples.length === 0 ? null : (
        <div className="mb-4">
          <span className="label">Try</span>
          <ul className="mt-1 flex flex-wrap gap-1.5">
            {agent.samples.map((sample) => (
              <li key={JSON.stringify(sample)} className="max-w-full">
                <button
                  type="button"
                  className="max-w-full truncate rounded-md border border-line bg-surface px-2.5 py-1 text-left text-soft hover:border-line-strong hover:text-ink"
                  onClick={() => setTexts(textsFor(shape, sample))}
                >
                  {oneLine(typeof sample === "string" ? sample : JSON.stringify(sample), 100)}
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
      <InputForm shape={shape} texts={texts} onChange={setTexts} />
      <RunOptions texts={options} onChange={setOptions} limits={agent.limits} />
      <p role="alert" className="mt-3 min-h-5 text-bad">
        {problem}
      </p>
      <div className="mt-1 flex items-center gap-2">
        <Button type="submit" look="main" isBusy={isBusy}>
          Start <Key name={isMac ? "⌘ ↵" : "Ctrl ↵"} onTone />
        </Button>
        <CopyAs what="start" texts={() => startTexts(agent.name, readInput(shape, texts), options)} />
      </div>
    </form>
  );
}

/** Starting is repeated safely: the same key until the body changes. */
function useSubmit(agent: AgentDetail, read: () => Read, options: OptionTexts) {
  const [, navigate] = useLocation();
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const sent = useRef({ body: "", key: "" });
  const submit = async (): Promise<void> => {
    const input = read();
    const more = readOptions(options);
    if (!input.ok || !more.ok) {
      setProblem(input.ok ? (more.ok ? null : more.problem) : input.problem);
      return;
    }
    const request: StartRunRequest = { agent: agent.name, input: input.value, ...more.value };
    const body = JSON.stringify(request);
    if (sent.current.body !== body) sent.current = { body, key: newKey() };
    setIsBusy(true);
    try {
      const run = await pawl.startRun(request, { idempotencyKey: sent.current.key });
      navigate(`/runs/${encodeURIComponent(run.runId)}`);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "the run was not started");
    } finally {
      setIsBusy(false);
    }
  };
  return { submit, isBusy, problem };
}

function readInput(shape: FormShape, texts: Texts): Read {
  const whole = texts[WHOLE] ?? "";
  if (shape.type === "fields") return readFields(shape.fields, texts);
  if (shape.type === "json") return readJson(whole);
  return whole.trim() === "" ? { ok: false, problem: "Say what should be achieved." } : { ok: true, value: whole };
}

function startTexts(agent: string, read: Read, options: OptionTexts): CopyTexts {
  const input: JsonValue = read.ok ? read.value : "";
  const more = readOptions(options);
  const body = { agent, input, ...(more.ok && more.value) } as unknown as JsonValue;
  const cliInput = typeof input === "string" ? input : JSON.stringify(input);
  return {
    curl: curlOf("/runs", body),
    typescript: typescriptOf(`startRun(${argument(body)})`),
    cli: cliOf("run", agent, cliInput, "--server", location.origin),
  };
}

function focusFirst(form: HTMLFormElement | null): void {
  form?.querySelector<HTMLElement>("textarea, input, select")?.focus();
}
