import type { JsonObject } from "../../api/types.ts";
import { oneLine } from "../../format/visible-text.ts";
import { Section } from "../../ui/facts.tsx";
import { CopyButton } from "../../value/copy-button.tsx";
import { ValueView } from "../../value/value-view.tsx";

/** The journal's own events of the call, as recorded. */
export function EventsTab({ events }: { readonly events: readonly JsonObject[] }) {
  return events.map((event, i) => (
    <Section
      key={textOf(event, "seq") || i}
      title={
        <span className="font-mono text-xs text-ink">
          {textOf(event, "seq")} {oneLine(textOf(event, "type"), 60)}
        </span>
      }
      side={<CopyButton text={() => JSON.stringify(event, null, 2)} label="copy the event" />}
    >
      <div className="-ml-3.5">
        <ValueView value={event} label="event" />
      </div>
    </Section>
  ));
}

function textOf(event: JsonObject, name: string): string {
  const value = event[name];
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
