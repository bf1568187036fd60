const words: { readonly [key: string]: string } = {
  Enter: "↵",
  Escape: "Esc",
  ArrowUp: "↑",
  ArrowDown: "↓",
  " ": "Space",
};

/** A key, or a sequence of keys, as it stands on the keyboard. Hidden on phones, which have none. */
export function Key({ name, onTone = false }: { readonly name: string; readonly onTone?: boolean }) {
  const look = onTone ? "border-current" : "border-line-strong text-faint bg-canvas";
  return (
    <span className="hidden gap-0.5 md:inline-flex" aria-hidden="true">
      {name.split(/(?<=.) (?=.)/).map((part, i) => (
        <kbd
          // the same key may come twice
          key={`${part}${i}`}
          className={`inline-flex h-4 min-w-4 items-center justify-center rounded-sm border px-1 font-sans text-[0.625rem] leading-none font-medium ${look}`}
        >
          {words[part] ?? part}
        </kbd>
      ))}
    </span>
  );
}
