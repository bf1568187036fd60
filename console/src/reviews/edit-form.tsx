import { useMemo, useState } from "react";
import type { JsonValue } from "../api/types.ts";
import { InputForm, type Texts } from "../start/input-form.tsx";
import { readFields, readJson, type Field, type FieldKind, type Read } from "../start/schema-fields.ts";
import { DiffView } from "./diff-view.tsx";

type Tab = "fields" | "json";
const pretty = (value: JsonValue): string => JSON.stringify(value, null, 2);
/** A text longer than this gets lines of its own. */
const SHORT_CHARS = 60;

/** Other arguments in the making: a field for each property, or all of them as JSON. */
export interface Edit {
  readonly before: string;
  readonly tab: Tab;
  /** null where the arguments are no object: then JSON is the only way. */
  readonly fields: readonly Field[] | null;
  readonly texts: Texts;
  readonly json: string;
  readonly read: Read;
  readonly setTab: (tab: Tab) => void;
  readonly setTexts: (texts: Texts) => void;
  readonly setJson: (json: string) => void;
}

export function useEdit(input: JsonValue): Edit {
  const [value, setValue] = useState(input);
  const fields = useMemo(() => fieldsOf(value), [value]);
  const [tab, setShown] = useState<Tab>(fields === null ? "json" : "fields");
  const [texts, setTexts] = useState<Texts>({});
  const [json, setJson] = useState(() => pretty(input));
  const read = useMemo(
    () => (tab === "json" || fields === null ? readJson(json) : readFields(fields, texts)),
    [tab, fields, json, texts],
  );
  /** What was written goes along to the other form; what cannot be read stays where it is. */
  const setTab = (next: Tab): void => {
    if (next === tab || !read.ok || (next === "fields" && fieldsOf(read.value) === null)) return;
    if (next === "json") setJson(pretty(read.value));
    else {
      setValue(read.value);
      setTexts({});
    }
    setShown(next);
  };
  return { before: pretty(input), tab, fields, texts, json, read, setTab, setTexts, setJson };
}

function fieldsOf(value: JsonValue): readonly Field[] | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  return entries.length === 0 ? null : entries.map(([name, one]) => fieldOf(name, one ?? null));
}

function fieldOf(name: string, value: JsonValue): Field {
  const kind = kindOf(value);
  return {
    name,
    label: name,
    description: "",
    kind,
    isRequired: true,
    choices: [],
    initial: typeof value === "string" ? value : pretty(value),
  };
}

function kindOf(value: JsonValue): FieldKind {
  switch (typeof value) {
    case "string":
      return value.length > SHORT_CHARS || value.includes("\n") ? "long-text" : "text";
    case "number":
      return "number";
    case "boolean":
      return "yes-no";
    default:
      return "json";
  }
}

const tabs: readonly { readonly tab: Tab; readonly label: string }[] = [
  { tab: "fields", label: "Fields" },
  { tab: "json", label: "JSON" },
];

/** @param problem why the server refused the last try */
export function EditForm({ edit, problem }: { readonly edit: Edit; readonly problem: string | null }) {
  const { tab, fields, read, before } = edit;
  const wrong = read.ok ? problem : read.problem;
  return (
    <div className="mb-3 flex flex-col gap-2">
      <div role="tablist" aria-label="How to edit" className="flex gap-4 border-b border-line">
        {tabs
          .filter((one) => one.tab === "json" || fields !== null)
          .map((one) => (
            <button
              key={one.tab}
              type="button"
              role="tab"
              aria-selected={tab === one.tab}
              className={`-mb-px h-7 border-b-2 text-xs ${tab === one.tab ? "border-accent text-ink" : "border-transparent text-soft hover:text-ink"}`}
              onClick={() => edit.setTab(one.tab)}
            >
              {one.label}
            </button>
          ))}
      </div>
      {tab === "fields" && fields !== null ? (
        <InputForm shape={{ type: "fields", fields }} texts={edit.texts} onChange={edit.setTexts} />
      ) : (
        <label className="block">
          <span className="label">Arguments to run instead</span>
          <textarea
            className="field mt-1 min-h-32 resize-y font-mono text-xs!"
            spellCheck={false}
            value={edit.json}
            onChange={(event) => edit.setJson(event.target.value)}
          />
        </label>
      )}
      {wrong === null ? null : (
        <p role="alert" className="text-xs wrap-anywhere text-bad">
          {wrong}
        </p>
      )}
      {read.ok && pretty(read.value) !== before ? <DiffView before={before} after={pretty(read.value)} /> : null}
    </div>
  );
}
