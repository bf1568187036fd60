import { useKeyboard } from "../keys/keyboard.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Key } from "../ui/key.tsx";

export function KeySheet({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" isOpen={isOpen} onClose={onClose} isWide>
      {isOpen ? <Sheet /> : null}
    </Dialog>
  );
}

function Sheet() {
  const groups = useKeyboard()
    .sheet()
    .filter(({ title }) => title !== "Dialog");
  return (
    <div className="grid gap-x-10 gap-y-5 md:grid-cols-2">
      {groups.map(({ title, bindings }) => (
        <section key={title}>
          <h3 className="label mb-1">{title}</h3>
          <dl>
            {bindings.map(({ keys, label }) => (
              <div key={keys} className="flex h-7 items-center justify-between gap-4">
                <dt>{label}</dt>
                <dd>
                  <Key name={keys} />
                  <span className="sr-only">{keys}</span>
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}
