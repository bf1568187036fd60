import { seededRandom } from "../../src/core/clock.ts";
import type { Halt } from "./acts.ts";
import { FLUSHES, spread, type Census, type KillPoint } from "./kill-points.ts";
import type { Blow, TrialPlan } from "./trial.ts";

/** Trials of one row of the table. */
export interface PlanGroup {
  readonly row: string;
  readonly plans: readonly TrialPlan[];
}

/** How many trials of each kind. */
export interface SweepSize {
  /** Of each syscall that writes, and of each that flushes. */
  readonly writes: number;
  readonly flushes: number;
  readonly halts: number;
  readonly recoveries: number;
  readonly failures: number;
  readonly threads: number;
  readonly beside: number;
  readonly crowds: number;
  /** Trials that wait for real time, or for many processes one after the other. */
  readonly slow: number;
}

const full: SweepSize = {
  writes: Infinity,
  flushes: Infinity,
  halts: Infinity,
  recoveries: 20,
  failures: 20,
  threads: 20,
  beside: Infinity,
  crowds: 10,
  slow: Infinity,
};
const short: SweepSize = {
  writes: 12,
  flushes: Infinity,
  halts: 4,
  recoveries: 1,
  failures: 2,
  threads: 2,
  beside: 1,
  crowds: 1,
  slow: 1,
};

/** The short form flushes at every point of the function, which has an agent as its child, and at some of the agent. */
export function sizeOf(length: "full" | "short", { form }: Census): SweepSize {
  if (length === "full") return full;
  return form === "function" ? short : { ...short, writes: 8, flushes: 8 };
}

/** Everything that is done to one form of the workload. */
export function plansOf(census: Census, size: SweepSize): readonly PlanGroup[] {
  if (census.form === "crowd") return [crowdPlans(census, size.crowds)];
  return [
    ...killPlans(census, size),
    haltPlans(census, size.halts),
    recoveryPlans(census, size.recoveries),
    ...failurePlans(census, size.failures),
    threadPlans(census, size.threads),
    besidePlans(census, size.beside),
    drainPlans(census),
    ...slowPlans(census).slice(0, size.slow),
  ];
}

function killAt(syscall: string, nth: number): Blow {
  return { type: "inject", syscall, what: `signal=SIGKILL:when=${nth}` };
}

function pointsOf({ points }: Census, syscall: string): readonly KillPoint[] {
  return points.filter((point) => point.syscall === syscall);
}

/** C1, C2: killed at each write and each flush. */
export function killPlans(
  census: Census,
  { writes, flushes }: Pick<SweepSize, "writes" | "flushes">,
): readonly PlanGroup[] {
  const { form } = census;
  const syscalls = [...new Set(census.points.map(({ syscall }) => syscall))].toSorted();
  return syscalls.map((syscall) => {
    const all = pointsOf(census, syscall);
    const chosen = spread(all, FLUSHES.includes(syscall) ? flushes : writes);
    return {
      row: `${form}: killed at ${syscall}`,
      plans: chosen.map(({ nth }) => ({ name: `${form}-${syscall}-${nth}`, form, blows: [killAt(syscall, nth)] })),
    };
  });
}

/** Which calls are halted: the first of each kind, parallel ones, the child's, the approved one, the last. */
const acting: { readonly [form in Census["form"]]: readonly (readonly [tool: string, nth: number])[] } = {
  function: [
    ["charge", 1],
    ["ship", 1],
    ["reserve", 1],
    ["stamp", 1],
    ["refund", 1],
    ["reserve", 2],
    ["charge", 2],
    ["charge", 4],
    ["quote", 1],
  ],
  agent: [
    ["charge", 1],
    ["ship", 1],
    ["reserve", 1],
    ["refund", 1],
    ["charge", 3],
    ["quote", 1],
  ],
  crowd: [["charge", 60]],
};

/** C3: killed between the effect and its record, before and after the answer came. */
function haltPlans({ form }: Census, atMost: number): PlanGroup {
  const plans = (["before-answer", "after-answer"] as const).flatMap((phase) =>
    spread(acting[form], Math.ceil(atMost / 2)).map(([tool, nth]) => haltPlan(form, { tool, nth, phase }, "SIGKILL")),
  );
  return { row: `${form}: killed between effect and record`, plans };
}

function haltPlan(form: Census["form"], halt: Halt, signal: "SIGKILL" | "SIGTERM"): TrialPlan {
  return { name: `${form}-${halt.tool}-${halt.nth}-${halt.phase}`, form, blows: [{ type: "halt", halt, signal }] };
}

/** C6: told to end while a call is under way: it is waited for, recorded, and nobody is asked. */
function drainPlans({ form }: Census): PlanGroup {
  const plans = (["charge", "ship"] as const).map((tool) =>
    haltPlan(form, { tool, nth: 1, phase: "slow-answer" }, "SIGTERM"),
  );
  return { row: `${form}: SIGTERM while a call is under way`, plans };
}

function slowPlans(census: Census): readonly PlanGroup[] {
  return census.form === "agent" ? [systemClockPlans(), poisonPlans(), lockPlans(census)] : [lockPlans(census)];
}

/** C13: another program holds the write lock for longer than SQLite waits for it. */
function lockPlans({ form }: Census): PlanGroup {
  const plan: TrialPlan = { name: `${form}-locked`, form, blows: [{ type: "lock", heldMs: 3_000 }] };
  return { row: `${form}: another program holds the write lock`, plans: [plan] };
}

/** C4: killed, then five times in a row while recovering, at writes drawn by a seed. */
function recoveryPlans(census: Census, count: number): PlanGroup {
  const { form } = census;
  const random = seededRandom(4);
  const draw = (max: number): Blow => killAt("pwrite64", 1 + Math.floor(random() * max));
  const writes = pointsOf(census, "pwrite64").length;
  const plans = Array.from({ length: count }, (_, n): TrialPlan => {
    const again = Array.from({ length: 5 }, () => draw(60));
    return { name: `${form}-recovery-${n + 1}`, form, blows: [draw(writes), ...again] };
  });
  return { row: `${form}: killed, then 5 times in recovery`, plans };
}

const FULL_CALLS = 3;

/** Without the last tenth: how calls share a commit differs a little, so a run may write less often than another. */
function reliable(points: readonly KillPoint[]): readonly KillPoint[] {
  return points.slice(0, Math.ceil(points.length * 0.9));
}

/** C8, C7: a flush that fails, writes that find no room; the process lives on or dies, and nothing is lost. */
function failurePlans(census: Census, atMost: number): readonly PlanGroup[] {
  const { form } = census;
  const failing = (error: string, { syscall, nth }: KillPoint, calls: number): TrialPlan => ({
    name: `${form}-${error}-${syscall}-${nth}`,
    form,
    blows: [{ type: "inject", syscall, what: `error=${error}:when=${nth}..${nth + calls - 1}` }],
  });
  const flushes = spread(reliable(pointsOf(census, "fsync")), atMost);
  const writes = spread(reliable(pointsOf(census, "pwrite64")), atMost);
  return [
    { row: `${form}: a flush fails (EIO)`, plans: flushes.map((point) => failing("EIO", point, 1)) },
    { row: `${form}: the disk is full (ENOSPC)`, plans: writes.map((point) => failing("ENOSPC", point, FULL_CALLS)) },
  ];
}

/** SQLite in a thread of its own: answers and commits are on different threads. */
function threadPlans(census: Census, atMost: number): PlanGroup {
  const { form } = census;
  const plans = spread(reliable(pointsOf(census, "pwrite64")), atMost).map(({ syscall, nth }): TrialPlan => ({
    name: `${form}-thread-${nth}`,
    form,
    thread: "always",
    blows: [killAt(syscall, nth)],
  }));
  return { row: `${form}: killed at pwrite64, SQLite in a thread`, plans };
}

/** The holder of the database is killed; the person's process takes it over, and the next worker is its client. */
function besidePlans(census: Census, atMost: number): PlanGroup {
  const { form } = census;
  const halts = spread(acting[form], atMost).map(([tool, nth]): TrialPlan => {
    const plan = haltPlan(form, { tool, nth, phase: "before-answer" }, "SIGKILL");
    return { ...plan, name: `${plan.name}-beside`, personBeside: true };
  });
  return { row: `${form}: the person in another process`, plans: halts };
}

/** Production's own clock: sessions, grace periods and sleeps take their real time. */
function systemClockPlans(): PlanGroup {
  const plan = haltPlan("agent", { tool: "charge", nth: 1, phase: "before-answer" }, "SIGKILL");
  return {
    row: "agent: production's clock, killed after the effect",
    plans: [{ ...plan, name: "agent-system-clock", clock: "system" }],
  };
}

/** Killed each time soon after the claim: the run is set aside, and goes on when a person says so. */
function poisonPlans(): PlanGroup {
  const [first, again] = [killAt("pwrite64", 200), killAt("pwrite64", 40)];
  const blows = [first, ...Array.from({ length: 8 }, () => again)];
  return { row: "agent: killed again and again", plans: [{ name: "agent-poison", form: "agent", blows }] };
}

/** C5: a worker with all its runs under way is killed, half of their effects done. */
function crowdPlans({ points }: Census, atMost: number): PlanGroup {
  const halts = spread([60, 1, 20, 40, 80, 100], Math.ceil(atMost / 2)).map((nth) =>
    haltPlan("crowd", { tool: "charge", nth, phase: "before-answer" }, "SIGKILL"),
  );
  const writes = points.filter(({ syscall }) => syscall === "pwrite64");
  const kills = spread(reliable(writes), Math.floor(atMost / 2)).map(({ syscall, nth }): TrialPlan => ({
    name: `crowd-${syscall}-${nth}`,
    form: "crowd",
    blows: [killAt(syscall, nth)],
  }));
  return { row: "crowd: 100 runs, their worker killed", plans: [...halts, ...kills] };
}
