import { Button } from "../ui/button.tsx";
import { Menu } from "../ui/menu.tsx";
import { useToast } from "../ui/toast.tsx";
import type { CopyTexts } from "./copy-texts.ts";

/** The same action for a script: curl, TypeScript, command line. */
export function CopyAs({ texts, what }: { readonly texts: () => CopyTexts; readonly what: string }) {
  const say = useToast();
  const copy = async (form: keyof CopyTexts, name: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(texts()[form]);
      say(`Copied as ${name}`);
    } catch {
      say("The browser does not let this page copy: open it on localhost or by https.", true);
    }
  };
  return (
    <Menu
      heading={`Copy “${what}” as`}
      trigger={
        <Button look="quiet" icon="code" aria-label={`Copy “${what}” as curl, TypeScript or CLI`} title="Copy as…" />
      }
      groups={[
        [
          { label: "curl", icon: "copy", run: () => void copy("curl", "curl") },
          { label: "TypeScript", icon: "copy", run: () => void copy("typescript", "TypeScript") },
          { label: "CLI", icon: "copy", run: () => void copy("cli", "CLI") },
        ],
      ]}
    />
  );
}
