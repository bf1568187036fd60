import { seededRandom } from "../core/clock.ts";
import { crcText } from "../core/hash.ts";
import type { Member } from "./pool-member.ts";

/** A known prompt prefix is worth this: its endpoint is left only when the other would be so many times quicker. */
const AFFINITY = 3;
/** Equally quick within this: the draw by weight decides. */
const ALIKE = 1.25;
const UNKNOWN_MS = 500;

/**
 * One of several endpoints that can take a call: the better of two, by time to the first part and calls in flight. The
 * two are drawn by weight; with an affinity they are the first two of an order that hangs on it alone, so that every
 * worker sends equal prefixes to one endpoint, and to one other when that is slow or gone.
 */
export function chooseOf(
  members: readonly Member[],
  on: { readonly nowMs: number; readonly random: number; readonly affinity: string | undefined },
): Member | null {
  const [first, second] = drawn(members, on);
  if (first === undefined || second === undefined) return first ?? null;
  const known = [first.latencyMs(on.nowMs), second.latencyMs(on.nowMs)].filter((ms) => ms !== null);
  const unknownMs = known[0] ?? UNKNOWN_MS;
  const slack = on.affinity === undefined ? ALIKE : AFFINITY;
  return first.cost(on.nowMs, unknownMs) <= second.cost(on.nowMs, unknownMs) * slack ? first : second;
}

/** Two members by weight, the likelier first where the draw hangs on an affinity: weighted rendezvous hashing. */
function drawn(
  members: readonly Member[],
  {
    nowMs,
    random,
    affinity,
  }: { readonly nowMs: number; readonly random: number; readonly affinity: string | undefined },
): readonly Member[] {
  if (members.length < 2) return members;
  const draw = seededRandom(Math.floor(random * 0xffff_ffff));
  const keyed = (name: string): number =>
    affinity === undefined ? draw() : seededRandom(Number.parseInt(crcText(`${affinity} ${name}`), 16))();
  // -ln(uniform) / weight is the waiting time of an exponential clock: the first to ring is drawn by weight
  const rung = members.map((member) => ({ member, at: -Math.log(1 - keyed(member.name)) / member.weight(nowMs) }));
  return rung.toSorted((a, b) => a.at - b.at).map(({ member }) => member);
}
