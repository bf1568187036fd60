import { useEffect, useState } from "react";
import { useReached } from "../api/reach.ts";

/** The time, moving while `isMoving`: for durations of what is not over yet. It stands still while the server does not answer. */
export function useNow(isMoving: boolean, everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  const isOn = useReached() && isMoving;
  useEffect(() => {
    if (!isOn) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [isOn, everyMs]);
  return now;
}
