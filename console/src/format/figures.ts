// Figures as people read them: short, tabular, never rounded to a lie (a cost above nothing is never shown as 0).

const whole = new Intl.NumberFormat("en-US");

/** 1,234 up to 9,999; then 12.3k, 4.56M. */
export function countText(count: number): string {
  if (count < 10_000) return whole.format(count);
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 100_000 ? 1 : 0)}k`;
  return `${(count / 1_000_000).toFixed(2)}M`;
}

export function exactText(count: number): string {
  return whole.format(count);
}

/** null is a call without a known price: said, never shown as 0. */
export function usdText(nanoUsd: number | null): string {
  if (nanoUsd === null) return "unpriced";
  if (nanoUsd === 0) return "$0";
  const usd = nanoUsd / 1e9;
  if (usd < 0.0001) return "<$0.0001";
  if (usd < 0.1) return `$${usd.toFixed(4)}`;
  if (usd < 100) return `$${usd.toFixed(2)}`;
  return `$${whole.format(Math.round(usd))}`;
}

/** With every digit that was counted. */
export function usdExact(nanoUsd: number | null): string {
  if (nanoUsd === 0) return "$0";
  return nanoUsd === null ? "unpriced" : `$${(nanoUsd / 1e9).toFixed(9).replace(/0{1,7}$/, "")}`;
}

export function durationText(ms: number): string {
  if (ms < 1) return "0 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m ${two((ms % 60_000) / 1000)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

function two(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

/** "12 s ago", "in 3 m". */
export function agoText(at: number, now: number): string {
  const ms = Math.abs(now - at);
  const text = coarse(ms);
  if (text === "now") return text;
  return at <= now ? `${text} ago` : `in ${text}`;
}

function coarse(ms: number): string {
  if (ms < 1500) return "now";
  if (ms < 60_000) return `${Math.round(ms / 1000)}s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)}h`;
  return `${Math.floor(ms / 86_400_000)}d`;
}

/** "in 6 days", for a time that is ahead; "now" where it is past. */
export function inWords(at: number, now: number): string {
  const minutes = Math.floor((at - now) / 60_000);
  if (minutes < 1) return "now";
  const [count, unit] =
    minutes < 60
      ? [minutes, "minute"]
      : minutes < 48 * 60
        ? [Math.floor(minutes / 60), "hour"]
        : [Math.floor(minutes / 1440), "day"];
  return `in ${count} ${unit}${count === 1 ? "" : "s"}`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export function clockText(at: number): string {
  return clock.format(at);
}

export function exactTime(at: number): string {
  return new Date(at).toISOString().replace("T", " ").replace("Z", " UTC");
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
