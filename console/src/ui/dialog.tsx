import { Dialog as Base } from "@base-ui/react/dialog";
import type { ReactNode } from "react";
import { useKeys } from "../keys/keyboard.tsx";
import { Button } from "./button.tsx";

/** A question over the page. Esc and a click beside it close it; focus returns to where it was. */
export function Dialog({
  title,
  isOpen,
  onClose,
  children,
  isWide = false,
}: {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly isWide?: boolean;
}) {
  return (
    <Base.Root open={isOpen} onOpenChange={(open) => (open ? undefined : onClose())}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-black/40" />
        <Base.Popup
          className={`fixed top-[12vh] left-1/2 z-50 flex max-h-[76vh] w-[calc(100vw-2rem)] -translate-x-1/2 flex-col rounded-lg bg-raised shadow-pop ${isWide ? "max-w-2xl" : "max-w-md"}`}
        >
          <header className="flex items-center justify-between gap-4 border-b border-line py-2.5 pr-2.5 pl-4">
            <Base.Title className="text-base font-medium">{title}</Base.Title>
            <Button look="quiet" icon="close" aria-label="Close" onClick={onClose} />
          </header>
          <div className="min-h-0 overflow-y-auto p-4">{children}</div>
          <NoKeysBelow />
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

/** While a dialog is open, the page's keys rest. */
function NoKeysBelow() {
  useKeys("Dialog", [], { level: "dialog" });
  return null;
}

export function DialogActions({ children }: { readonly children: ReactNode }) {
  return <div className="mt-4 flex justify-end gap-2">{children}</div>;
}
