import type { ComponentProps } from "react";
import { useReached } from "../api/reach.ts";
import { Icon, type IconName } from "./icon.tsx";
import { Key } from "./key.tsx";

const looks = {
  plain: "border border-line-strong bg-surface hover:bg-hover text-ink",
  quiet: "border border-transparent hover:bg-hover text-soft hover:text-ink",
  main: "border border-transparent bg-accent text-on-accent hover:brightness-110",
  good: "border border-transparent bg-ok text-on-accent hover:brightness-110",
  bad: "border border-line-strong bg-surface text-bad hover:bg-bad-wash",
};

interface Look {
  readonly look?: keyof typeof looks;
  readonly icon?: IconName;
  /** Opens a menu. */
  readonly opensMenu?: boolean;
  /** The key that does the same, shown beside the words. */
  readonly keyHint?: string;
  /** An answer is awaited: the words stay, so that nothing moves. */
  readonly isBusy?: boolean;
  /** It rests while the server does not answer. By default: what stands out, for that acts. */
  readonly needsServer?: boolean;
}

export function buttonClass(look: keyof typeof looks = "plain", extra = ""): string {
  return `inline-flex h-7 items-center justify-center gap-1.5 rounded-md px-2.5 text-sm font-medium whitespace-nowrap select-none disabled:opacity-50 ${looks[look]} ${extra}`;
}

export function Button({
  look = "plain",
  icon,
  opensMenu = false,
  keyHint,
  isBusy = false,
  needsServer = look === "main" || look === "good" || look === "bad",
  className = "",
  children,
  disabled,
  ...rest
}: Look & ComponentProps<"button">) {
  const isReached = useReached();
  return (
    <button
      type="button"
      className={buttonClass(look, `${children === undefined ? "w-7 px-0!" : ""} ${className}`)}
      disabled={disabled === true || isBusy || (needsServer && !isReached)}
      aria-busy={isBusy}
      {...rest}
    >
      {icon === undefined ? null : <Icon name={icon} className={isBusy ? "pulse" : ""} />}
      {children}
      {opensMenu ? <Icon name="down" className="-mr-1 size-3.5! text-faint" /> : null}
      {keyHint === undefined ? null : <Key name={keyHint} onTone={look === "main" || look === "good"} />}
    </button>
  );
}
