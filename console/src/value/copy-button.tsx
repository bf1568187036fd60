import { useState } from "react";
import { Button } from "../ui/button.tsx";

/** Copies and says so in place, without moving anything. */
export function CopyButton({ text, label }: { readonly text: () => string; readonly label: string }) {
  const [isDone, setIsDone] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text());
    setIsDone(true);
    setTimeout(() => setIsDone(false), 1500);
  };
  return (
    <Button
      look="quiet"
      icon={isDone ? "check" : "copy"}
      aria-label={isDone ? "copied" : label}
      title={label}
      onClick={() => void copy()}
    />
  );
}
