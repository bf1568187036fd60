import type { JsonValue } from "../api/types.ts";
import { boundsText, textFor, type Field, type FormShape } from "./schema-fields.ts";

export type Texts = { readonly [name: string]: string };
/** The whole input, where it is one text or JSON. */
export const WHOLE = "";

export function textsFor(shape: FormShape, value: JsonValue): Texts {
  if (shape.type !== "fields")
    return { [WHOLE]: shape.type === "text" ? textFor(value) : JSON.stringify(value, null, 2) };
  const given = typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  return Object.fromEntries(given.map(([name, one]) => [name, textFor(one ?? null)]));
}

interface Props {
  readonly shape: FormShape;
  readonly texts: Texts;
  readonly onChange: (texts: Texts) => void;
}

export function InputForm({ shape, texts, onChange }: Props) {
  const set = (name: string, text: string): void => onChange({ ...texts, [name]: text });
  if (shape.type === "fields")
    return (
      <div className="flex flex-col gap-4">
        {shape.fields.map((field) => (
          <FieldInput
            key={field.name}
            field={field}
            text={texts[field.name] ?? field.initial}
            onChange={(text) => set(field.name, text)}
          />
        ))}
      </div>
    );
  return (
    <div>
      <label htmlFor="input" className="label">
        {shape.type === "text" ? "Goal" : "Input (JSON)"}
      </label>
      <textarea
        id="input"
        className={`field mt-1 min-h-28 resize-y ${shape.type === "json" ? "font-mono text-xs!" : ""}`}
        placeholder={shape.type === "text" ? shape.description || "What should be achieved?" : "{ }"}
        value={texts[WHOLE] ?? ""}
        onChange={(event) => set(WHOLE, event.target.value)}
        autoFocus
      />
    </div>
  );
}

function FieldInput({
  field,
  text,
  onChange,
}: {
  readonly field: Field;
  readonly text: string;
  readonly onChange: (text: string) => void;
}) {
  const id = `field-${field.name}`;
  const bounds = boundsText(field.bounds);
  const hint = [field.description, bounds === "" ? "" : `${bounds[0]?.toUpperCase()}${bounds.slice(1)}.`]
    .concat(field.kind === "lines" ? "One per line." : [])
    .filter((one) => one !== "")
    .join(" ");
  return (
    <div>
      <label htmlFor={id} className="label">
        {field.label}
        {field.isRequired ? null : <span className="font-normal"> (optional)</span>}
      </label>
      <Control id={id} field={field} text={text} onChange={onChange} />
      {hint === "" ? null : <p className="mt-1 text-xs text-faint">{hint}</p>}
    </div>
  );
}

function Control({
  id,
  field,
  text,
  onChange,
}: {
  readonly id: string;
  readonly field: Field;
  readonly text: string;
  readonly onChange: (text: string) => void;
}) {
  const common = { id, value: text, required: field.isRequired, className: "field mt-1" };
  switch (field.kind) {
    case "choice":
    case "yes-no":
      return (
        <select {...common} onChange={(event) => onChange(event.target.value)}>
          <option value="">choose</option>
          {(field.kind === "choice" ? field.choices : ["true", "false"]).map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      );
    case "text":
    case "number":
      return (
        <input
          {...common}
          inputMode={field.kind === "number" ? "decimal" : "text"}
          onChange={(event) => onChange(event.target.value)}
        />
      );
    default:
      return (
        <textarea
          {...common}
          className={`field mt-1 min-h-20 resize-y ${field.kind === "json" ? "font-mono text-xs!" : ""}`}
          onChange={(event) => onChange(event.target.value)}
        />
      );
  }
}
