import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from "react";
import { Icon } from "./icon.tsx";

interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isBad: boolean;
}
type Say = (text: string, isBad?: boolean) => void;

const SHOWN_MS = 4500;
const SHOWN_MAX = 3;

const ToastContext = createContext<Say>(() => undefined);

/** Says what an action did; errors stay twice as long. Read out by screen readers. */
export function useToast(): Say {
  return useContext(ToastContext);
}

export function ToastProvider({ children }: { readonly children: ReactNode }) {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const next = useRef(1);
  const say = useCallback<Say>((text, isBad = false) => {
    const id = next.current++;
    setNotices((before) => [...before, { id, text, isBad }].slice(-SHOWN_MAX));
    setTimeout(() => setNotices((before) => before.filter((one) => one.id !== id)), isBad ? SHOWN_MS * 2 : SHOWN_MS);
  }, []);
  const shown = useMemo(
    () =>
      notices.map(({ id, text, isBad }) => (
        <div key={id} className="flex items-start gap-2 rounded-lg bg-raised px-3 py-2 text-sm shadow-pop">
          <span className={isBad ? "text-bad" : "text-ok"}>
            <Icon name={isBad ? "warn" : "check"} className="mt-0.5" />
          </span>
          <span className="wrap-anywhere">{text}</span>
        </div>
      )),
    [notices],
  );
  return (
    <ToastContext value={say}>
      {children}
      <div
        role="status"
        aria-live="polite"
        className="pointer-events-none fixed right-4 bottom-4 z-60 flex w-[min(26rem,calc(100vw-2rem))] flex-col gap-2"
      >
        {shown}
      </div>
    </ToastContext>
  );
}
