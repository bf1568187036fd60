import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { argument, cliOf, curlOf, typescriptOf, type CopyTexts } from "../actions/copy-texts.ts";
import { client as pawl } from "../api/client.ts";
import type { BudgetCaps, DeclaredBudget, SetBudgetRequest } from "../api/types.ts";
import { Field, Words } from "../run/run-dialogs.tsx";
import { useToast } from "../ui/toast.tsx";
import { amountText } from "./amount-text.ts";

const units: readonly {
  readonly unit: DeclaredBudget["unit"];
  readonly cap: keyof BudgetCaps;
  readonly label: string;
  readonly flag: string;
}[] = [
  { unit: "nanoUsd", cap: "costUsd", label: "Cap in USD", flag: "--usd" },
  { unit: "tokens", cap: "tokens", label: "Cap in tokens", flag: "--tokens" },
  { unit: "calls", cap: "calls", label: "Cap in tool calls", flag: "--calls" },
];

/** Another cap in place of the declared one, and back. */
export function CapDialog({
  name,
  lines,
  onClose,
}: {
  readonly name: string;
  readonly lines: readonly DeclaredBudget[];
  readonly onClose: () => void;
}) {
  const client = useQueryClient();
  const say = useToast();
  const capOf = (unit: DeclaredBudget["unit"]): DeclaredBudget | undefined => lines.find((line) => line.unit === unit);
  const asked = units.filter(({ unit }) => capOf(unit) !== undefined);
  const [texts, setTexts] = useState<{ readonly [cap in keyof BudgetCaps]?: string }>({});
  const [isBusy, setIsBusy] = useState(false);
  const isSet = lines.some(({ setBy }) => setBy !== null);
  const given = asked.filter(({ cap }) => (texts[cap] ?? "").trim() !== "");
  const caps: BudgetCaps = Object.fromEntries(given.map(({ cap }) => [cap, Number(texts[cap])]));
  const isFine = Object.entries(caps).every(
    ([cap, value]) => Number.isFinite(value) && value >= 0 && (cap === "costUsd" || Number.isSafeInteger(value)),
  );
  const send = async (body: SetBudgetRequest): Promise<void> => {
    setIsBusy(true);
    try {
      const { items } = await pawl.setBudget(name, body);
      client.setQueryData(["budgets"], { items, cursor: null });
      say(body.caps === null ? "The declared cap holds again" : "The cap is set: it holds within 5 s everywhere");
      onClose();
    } catch (error) {
      say(error instanceof Error ? error.message : "the server refused", true);
    } finally {
      setIsBusy(false);
    }
  };
  const copied = (): CopyTexts => ({
    curl: curlOf(`/budgets/${encodeURIComponent(name)}/caps`, { caps: { ...caps } }),
    typescript: typescriptOf(`setBudget(${argument(name)}, ${argument({ caps: { ...caps } })})`),
    cli: cliOf("budgets", "set", name, ...given.flatMap(({ cap, flag }) => [flag, texts[cap] ?? ""])),
  });
  return (
    <Words
      isOpen
      onClose={onClose}
      title={`Change the cap of ${name}`}
      about="It takes the place of the declared one for this tenant, also in the windows to come. Runs that wait for budget go on by themselves where it fits."
      action="Set the cap"
      isBusy={isBusy}
      canSend={given.length > 0 && isFine}
      texts={copied}
      onSend={() => void send({ caps })}
    >
      <div className="flex flex-col gap-3">
        {asked.map(({ unit, cap, label }) => (
          <div key={cap}>
            <Field
              label={label}
              value={texts[cap] ?? ""}
              onChange={(value) => setTexts((before) => ({ ...before, [cap]: value }))}
            />
            <p className="mt-1 text-xs text-faint">now {amountText(unit, capOf(unit)?.cap ?? 0)}</p>
          </div>
        ))}
        {isSet ? (
          <button type="button" className="linkish self-start text-sm" onClick={() => void send({ caps: null })}>
            Take it back: the declared cap holds again
          </button>
        ) : null}
      </div>
    </Words>
  );
}
