import { useState } from "react";
import { argument, cliOf, curlOf, typescriptOf } from "../actions/copy-texts.ts";
import { useToolActions } from "../api/tools.ts";
import type { GrantRequest, ToolLine } from "../api/types.ts";
import { oneLine } from "../format/visible-text.ts";
import { Field, Words } from "../run/run-dialogs.tsx";
import { useToast } from "../ui/toast.tsx";

const DAY_MS = 86_400_000;

/** Who may call a tool with which of its capabilities, and for how long. */
export function GrantDialog({ line, onClose }: { readonly line: ToolLine; readonly onClose: () => void }) {
  const say = useToast();
  const { grant } = useToolActions(line.name, line.version);
  const [texts, setTexts] = useState({
    capabilities: line.capabilities.join(" "),
    agent: "",
    principal: "",
    role: "",
    days: "",
    reason: "",
  });
  const field = (key: keyof typeof texts, label: string) => (
    <Field label={label} value={texts[key]} onChange={(value) => setTexts((before) => ({ ...before, [key]: value }))} />
  );
  const capabilities = texts.capabilities.split(/[\s,]+/).filter((one) => one !== "");
  const named = ["agent", "principal", "role", "reason"] as const;
  const given = named.flatMap((key) => (texts[key].trim() === "" ? [] : [[key, texts[key].trim()] as const]));
  const days = texts.days.trim();
  const bodyOf = (): GrantRequest => ({
    tool: line.name,
    capabilities,
    ...Object.fromEntries(given),
    ...(days !== "" && { until: Math.round(Date.now() + Number(days) * DAY_MS) }),
  });
  const flags = [...given, ...(days === "" ? [] : [["days", days] as const])].flatMap(([key, value]) => [
    `--${key}`,
    value,
  ]);
  return (
    <Words
      isOpen
      onClose={onClose}
      title={`Grant ${oneLine(line.name, 64)}`}
      about="To runs that fit all that is named, and that start from now on. Nothing named: every run of this tenant."
      action="Grant it"
      isBusy={grant.isPending}
      canSend={capabilities.length > 0 && (days === "" || Number(days) > 0)}
      texts={() => ({
        curl: curlOf("/grants", { ...bodyOf() }),
        typescript: typescriptOf(`grantTool(${argument({ ...bodyOf() })})`),
        cli: cliOf("tools", "grant", line.name, ...capabilities, ...flags),
      })}
      onSend={() =>
        grant.mutate(bodyOf(), {
          onSuccess: () => {
            say("Granted");
            onClose();
          },
          onError: (error) => say(error.message, true),
        })
      }
    >
      <div className="flex flex-col gap-3">
        {field("capabilities", "Capabilities")}
        {field("agent", "Agent")}
        {field("principal", "Principal")}
        {field("role", "Role")}
        {field("days", "Days it holds")}
        {field("reason", "Reason")}
      </div>
    </Words>
  );
}
