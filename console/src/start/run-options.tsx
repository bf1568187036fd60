import type { AgentDetail, StartRunRequest } from "../api/types.ts";

type Name = "costUsd" | "tokens" | "turns" | "runId" | "threadId" | "tags";
export type OptionTexts = { readonly [name in Name]?: string };
type Options = Pick<StartRunRequest, "limits" | "runId" | "threadId" | "tags">;
export type ReadOptions =
  | { readonly ok: true; readonly value: Options }
  | { readonly ok: false; readonly problem: string };

const fields: readonly { readonly name: Name; readonly label: string; readonly hint: string }[] = [
  { name: "costUsd", label: "At most, in USD", hint: "0.50" },
  { name: "tokens", label: "At most, in tokens", hint: "100000" },
  { name: "turns", label: "At most, in turns", hint: "20" },
  { name: "runId", label: "Run id", hint: "a new one" },
  { name: "threadId", label: "Thread", hint: "none" },
  { name: "tags", label: "Tags, with commas", hint: "none" },
];

/** What else a run can be given; folded away, since the agent's own limits are right most of the time. */
export function RunOptions({
  texts,
  onChange,
  limits,
}: {
  readonly texts: OptionTexts;
  readonly onChange: (texts: OptionTexts) => void;
  readonly limits: AgentDetail["limits"];
}) {
  return (
    <details className="mt-4">
      <summary className="text-xs text-soft hover:text-ink">Limits, id, thread, tags</summary>
      <div className="mt-2 grid grid-cols-2 gap-3 lg:grid-cols-3">
        {fields.map(({ name, label, hint }) => (
          <div key={name}>
            <label htmlFor={`option-${name}`} className="label">
              {label}
            </label>
            <input
              id={`option-${name}`}
              className="field mt-1"
              placeholder={String(name in limits ? (limits[name as keyof typeof limits] ?? hint) : hint)}
              value={texts[name] ?? ""}
              onChange={(event) => onChange({ ...texts, [name]: event.target.value })}
            />
          </div>
        ))}
      </div>
    </details>
  );
}

export function readOptions(texts: OptionTexts): ReadOptions {
  const limits: { [name: string]: number } = {};
  for (const name of ["costUsd", "tokens", "turns"] as const) {
    const text = texts[name]?.trim() ?? "";
    if (text === "") continue;
    const amount = Number(text);
    if (!Number.isFinite(amount) || amount <= 0) return { ok: false, problem: `${name} must be a number above 0` };
    limits[name] = amount;
  }
  const tags = (texts.tags ?? "").split(",").flatMap((tag) => (tag.trim() === "" ? [] : [tag.trim()]));
  const runId = texts.runId?.trim() ?? "";
  const threadId = texts.threadId?.trim() ?? "";
  return {
    ok: true,
    value: {
      ...(Object.keys(limits).length > 0 && { limits }),
      ...(runId !== "" && { runId }),
      ...(threadId !== "" && { threadId }),
      ...(tags.length > 0 && { tags }),
    },
  };
}
