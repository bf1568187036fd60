import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from "react";

/** One key or a sequence of two ("g r"), and what it does in words for the sheet behind "?". */
export interface Binding {
  readonly keys: string;
  readonly label: string;
  readonly run: () => void;
  /** Left out of the sheet: an alias of another. */
  readonly hidden?: boolean;
  /** A key that is held down does it once. */
  readonly isOnce?: boolean;
}

interface Layer {
  readonly title: string;
  bindings: readonly Binding[];
  readonly level: Level;
}

/** Who is asked first: a dialog before a panel, a panel before its page, the page before the shell. */
export type Level = "shell" | "page" | "panel" | "dialog";
const levels: readonly Level[] = ["shell", "page", "panel", "dialog"];

/** One for the whole page: keys are global by nature. */
export class Keyboard {
  readonly #layers: Layer[] = [];
  #first: { readonly key: string; readonly at: number } | null = null;

  add(layer: Layer): () => void {
    this.#layers.push(layer);
    return () => {
      this.#layers.splice(this.#layers.indexOf(layer), 1);
    };
  }

  /** What can be pressed now, for the sheet. */
  sheet(): readonly { readonly title: string; readonly bindings: readonly Binding[] }[] {
    const groups = new Map<string, Binding[]>();
    for (const { title, bindings } of this.#asked()) {
      const shown = groups.get(title) ?? [];
      for (const binding of bindings)
        if (binding.hidden !== true && !shown.some(({ keys }) => keys === binding.keys)) shown.push(binding);
      if (shown.length > 0) groups.set(title, shown);
    }
    return [...groups].map(([title, bindings]) => ({ title, bindings }));
  }

  #asked(): readonly Layer[] {
    return this.#layers.toReversed().toSorted((a, b) => levels.indexOf(b.level) - levels.indexOf(a.level));
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key === "Shift" || takesText(event.target)) return;
    if (event.key === "Enter" && takesEnter(event.target)) return;
    const before = this.#first !== null && event.timeStamp - this.#first.at < 1200 ? this.#first.key : null;
    this.#first = null;
    for (const layer of this.#asked()) {
      const found =
        (before === null ? undefined : layer.bindings.find(({ keys }) => keys === `${before} ${event.key}`)) ??
        layer.bindings.find(({ keys }) => keys === event.key);
      if (found !== undefined) {
        event.preventDefault();
        if (!event.repeat || found.isOnce !== true) found.run();
        return;
      }
      if (layer.level === "dialog") return;
    }
    this.#first = { key: event.key, at: event.timeStamp };
  }
}

function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "submit"].includes(target.type);
}

function takesEnter(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("a, button, summary, [role=menuitem]") !== null;
}

const KeyboardContext = createContext<Keyboard | null>(null);

export function KeyboardProvider({ children }: { readonly children: ReactNode }) {
  const [keyboard] = useState(() => new Keyboard());
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => keyboard.press(event);
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [keyboard]);
  return <KeyboardContext value={keyboard}>{children}</KeyboardContext>;
}

export function useKeyboard(): Keyboard {
  const keyboard = useContext(KeyboardContext);
  if (keyboard === null) throw new Error("useKeyboard outside KeyboardProvider");
  return keyboard;
}

/** Keys while this component is shown. */
export function useKeys(
  title: string,
  bindings: readonly Binding[],
  options: { readonly enabled?: boolean; readonly level?: Level } = {},
): void {
  const keyboard = useKeyboard();
  const { enabled = true, level = "page" } = options;
  const layer = useRef<Layer | null>(null);
  useEffect(() => {
    if (!enabled) return undefined;
    layer.current = { title, bindings: [], level };
    const remove = keyboard.add(layer.current);
    return () => {
      layer.current = null;
      remove();
    };
  }, [keyboard, enabled, level, title]);
  useEffect(() => {
    if (layer.current !== null) layer.current.bindings = bindings;
  });
}
