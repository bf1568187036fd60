import { Icon } from "../ui/icon.tsx";

/** Authentication is off: said on every page, since everybody who reaches this address may do everything. */
export function OpenNotice() {
  return (
    <div
      role="region"
      aria-label="Warning"
      className="flex items-center gap-2 border-b border-wait/30 bg-wait-wash px-4 py-1 text-xs text-wait"
    >
      <Icon name="warn" className="size-3.5!" />
      <span>
        <strong className="font-semibold">Authentication is off.</strong> Whoever reaches this address may start,
        approve and cancel. <span className="hidden md:inline">Fine on your own machine only.</span>
      </span>
    </div>
  );
}
