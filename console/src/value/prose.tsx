import { useState } from "react";
import { countText } from "../format/figures.ts";
import { SafeText, type Mark } from "./safe-text.tsx";
import { ValueView } from "./value-view.tsx";

const PROSE_CHARS = 6_000;

/** What a model or a person wrote, in the page's own type: text only, never markup. A long one goes to the windowed view. */
export function Prose({
  text,
  marks,
  isLive = false,
}: {
  readonly text: string;
  readonly marks?: readonly Mark[];
  readonly isLive?: boolean;
}) {
  const [isWhole, setIsWhole] = useState(false);
  if (isWhole) return <ValueView value={text} label="the whole text" marks={{ "": marks ?? [] }} />;
  const shown = isLive ? text.slice(-PROSE_CHARS) : text.slice(0, PROSE_CHARS);
  return (
    <div className={`prose-value ${isLive ? "caret" : ""}`}>
      <SafeText text={shown} marks={marks ?? []} />
      {text.length > PROSE_CHARS && !isLive ? (
        <button type="button" className="linkish ml-1 text-2xs" onClick={() => setIsWhole(true)}>
          show {countText(text.length - PROSE_CHARS)} more characters
        </button>
      ) : null}
    </div>
  );
}
