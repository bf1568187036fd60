import { useMemo, useState } from "react";
import type { JsonObject, JsonValue } from "../api/types.ts";
import { InputForm, type Texts } from "../start/input-form.tsx";
import {
  checked,
  formShapeOf,
  readFields,
  readJson,
  textFor,
  type Field,
  type FieldKind,
  type Read,
} from "../start/schema-fields.ts";
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

/** @param schema of the tool's arguments; null where the tool is not registered here: then their own types lead */
export function useEdit(input: JsonValue, schema: JsonObject | null): Edit {
  const [value, setValue] = useState(input);
  const fields = useMemo(() => fieldsOf(value, schema), [value, schema]);
  const [tab, setShown] = useState<Tab>(fields === null ? "json" : "fields");
  const [texts, setTexts] = useState<Texts>({});
  const [json, setJson] = useState(() => pretty(input));
  const read = useMemo(
    () => (tab === "json" || fields === null ? readWhole(json, schema) : readFields(fields, texts)),
    [tab, fields, json, texts, schema],
  );
  /** What was written goes along to the other form; what cannot be read stays where it is. */
  const setTab = (next: Tab): void => {
    if (next === tab || !read.ok || (next === "fields" && fieldsOf(read.value, schema) === null)) return;
    if (next === "json") setJson(pretty(read.value));
    else {
      setValue(read.value);
      setTexts({});
    }
    setShown(next);
  };
  return { before: pretty(input), tab, fields, texts, json, read, setTab, setTexts, setJson };
}

function readWhole(json: string, schema: JsonObject | null): Read {
  const read = readJson(json);
  const shape = formShapeOf(schema);
  return read.ok && shape.type === "fields" ? checked(shape.fields, read.value) : read;
}

/** What the schema names, with what is given now; behind it whatever else is given. */
function fieldsOf(value: JsonValue, schema: JsonObject | null): readonly Field[] | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const shape = formShapeOf(schema);
  const known = shape.type === "fields" ? shape.fields : [];
  const given = new Map(Object.entries(value));
  const fields = known.map((field) => {
    const one = given.get(field.name);
    return one === undefined ? { ...field, initial: "" } : { ...field, initial: initialOf(field.kind, one) };
  });
  const names = new Set(known.map(({ name }) => name));
  const others = [...given].filter(([name]) => !names.has(name));
  const all = [...fields, ...others.map(([name, one]) => fieldOf(name, one ?? null))];
  return all.length === 0 ? null : all;
}

function initialOf(kind: FieldKind, value: JsonValue): string {
  return kind === "json" ? pretty(value) : textFor(value);
}

function fieldOf(name: string, value: JsonValue): Field {
  const kind = kindOf(value);
  const initial = initialOf(kind, value);
  return { name, label: name, description: "", kind, isRequired: true, choices: [], initial, bounds: {} };
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
