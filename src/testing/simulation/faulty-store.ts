import { PawlError } from "../../core/errors.ts";
import type { RunRef } from "../../core/id.ts";
import type { RunHead } from "../../core/run-head.ts";
import type {
  Append,
  AppendResult,
  CreateResult,
  LedgerStore,
  RecordStore,
  RunStore,
  SessionStore,
  Store,
} from "../../core/store-contract.ts";
import { placeOf } from "./place.ts";
import type { Schedule, SimProcess } from "./schedule.ts";

/** Sees what the store really did, at the moment at which it did it. */
export interface StoreWitness {
  created(process: SimProcess, ref: RunRef, head: RunHead, line: string, result: CreateResult): Promise<void>;
  appended(process: SimProcess, ref: RunRef, append: Append, result: AppendResult): Promise<void>;
  marked(ref: RunRef): Promise<void>;
  openedSession(process: SimProcess, id: string): void;
  /** Every run there is: what a stale index may name. */
  refs(): readonly RunRef[];
}

export interface FaultyStoreOptions {
  readonly inner: Store;
  readonly process: SimProcess;
  readonly schedule: Schedule;
  readonly bus: HintBus;
  readonly witness: StoreWitness;
}

type Via = <A extends unknown[], R>(
  kind: "read" | "write",
  name: string,
  operation: (...args: A) => Promise<R>,
) => (...args: A) => Promise<R>;

/** One process' connection to the store that all share: each operation is a request of the schedule. */
export function faultyStore(options: FaultyStoreOptions): Store {
  const { inner, process, schedule, bus } = options;
  const via: Via =
    (kind, name, operation) =>
    (...args) =>
      schedule.send(process, {
        label: labelOf(name, args[0]),
        kind,
        apply: () => operation(...args),
        lost: () => unreachable(name),
        mayLose: true,
      });
  return {
    capabilities: inner.capabilities,
    open: async () => undefined,
    close: async () => undefined,
    publish: (channel, message) => bus.publish(channel, message),
    subscribe: (channel, receive) => bus.subscribe(process, channel, receive),
    ...runOperations(via, options),
    ...sessionOperations(via, options),
    ...ledgerAndRecords(via, inner),
  };
}

function runOperations(via: Via, options: FaultyStoreOptions): RunStore {
  const { inner, process, witness } = options;
  const index = <A extends unknown[]>(name: string, operation: (...args: A) => Promise<readonly RunRef[]>) =>
    via("read", name, async (...args: A) => stale(options, await operation(...args)));
  return {
    createRun: via("write", "createRun", async (ref, first) => {
      const result = await inner.createRun(ref, first);
      await witness.created(process, ref, first.head, first.batch.line, result);
      return result;
    }),
    append: via("write", "append", async (ref, append) => {
      const result = await inner.append(ref, append);
      await witness.appended(process, ref, append, result);
      return result;
    }),
    mark: via("write", "mark", async (ref, marks) => {
      await inner.mark(ref, marks);
      await witness.marked(ref);
    }),
    readHead: via("read", "readHead", (ref) => inner.readHead(ref)),
    readEvents: via("read", "readEvents", (...args) => inner.readEvents(...args)),
    due: index("due", (query) => inner.due(query)),
    ofSession: index("ofSession", (id, limit) => inner.ofSession(id, limit)),
    list: via("read", "list", (...args) => inner.list(...args)),
    openApprovals: via("read", "openApprovals", (...args) => inner.openApprovals(...args)),
    dirty: index("dirty", (limit) => inner.dirty(limit)),
    putBlob: via("write", "putBlob", (...args) => inner.putBlob(...args)),
    getBlob: via("read", "getBlob", (...args) => inner.getBlob(...args)),
    deleteScope: via("write", "deleteScope", (...args) => inner.deleteScope(...args)),
  };
}

function sessionOperations(via: Via, { inner, process, witness }: FaultyStoreOptions): SessionStore {
  return {
    openSession: via("write", "openSession", async (id, worker) => {
      await inner.openSession(id, worker);
      witness.openedSession(process, id);
    }),
    beat: via("write", "beat", (...args) => inner.beat(...args)),
    kill: via("write", "kill", (...args) => inner.kill(...args)),
    closeSession: via("write", "closeSession", (id) => inner.closeSession(id)),
    session: via("read", "session", (id) => inner.session(id)),
    listSessions: via("read", "listSessions", () => inner.listSessions()),
  };
}

function ledgerAndRecords(via: Via, inner: Store): LedgerStore & RecordStore {
  return {
    reserve: via("write", "reserve", (...args) => inner.reserve(...args)),
    settle: via("write", "settle", (...args) => inner.settle(...args)),
    openReservationsOf: via("read", "openReservationsOf", (...args) => inner.openReservationsOf(...args)),
    openReservationsBefore: via("read", "openReservationsBefore", (...args) => inner.openReservationsBefore(...args)),
    setCap: via("write", "setCap", (...args) => inner.setCap(...args)),
    readLedger: via("read", "readLedger", (...args) => inner.readLedger(...args)),
    pruneLedger: via("write", "pruneLedger", (...args) => inner.pruneLedger(...args)),
    getRecord: via("read", "getRecord", (...args) => inner.getRecord(...args)),
    putRecord: via("write", "putRecord", (...args) => inner.putRecord(...args)),
    deleteRecord: via("write", "deleteRecord", (...args) => inner.deleteRecord(...args)),
    listRecords: via("read", "listRecords", (...args) => inner.listRecords(...args)),
  };
}

/** Hints between the processes: each delivery is the schedule's to delay, drop, double or put in another order. */
export class HintBus {
  readonly #schedule: Schedule;
  readonly #receivers: {
    readonly process: SimProcess;
    readonly channel: string;
    readonly receive: (m: string) => void;
  }[] = [];

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  publish(channel: string, message: string): void {
    for (const receiver of this.#receivers) {
      if (receiver.channel !== channel || receiver.process.state === "gone") continue;
      this.#schedule.hint(receiver.process, `${receiver.process.name} hears of ${channel}`, () => {
        if (this.#receivers.includes(receiver)) receiver.receive(message);
      });
    }
  }

  subscribe(process: SimProcess, channel: string, receive: (message: string) => void): () => void {
    const receiver = { process, channel, receive };
    this.#receivers.push(receiver);
    return () => {
      const at = this.#receivers.indexOf(receiver);
      if (at >= 0) this.#receivers.splice(at, 1);
    };
  }

  /** Channels that a process still listens to. */
  channelsOf(process: SimProcess): readonly string[] {
    return this.#receivers.filter((one) => one.process === process).map(({ channel }) => channel);
  }

  end(process: SimProcess): void {
    for (let i = this.#receivers.length - 1; i >= 0; i--)
      if (this.#receivers[i]?.process === process) this.#receivers.splice(i, 1);
  }
}

function stale({ process, schedule, witness }: FaultyStoreOptions, found: readonly RunRef[]): readonly RunRef[] {
  if (!schedule.dice.roll("index-stale", process.isBusy())) return found;
  const kept = found.filter(() => schedule.random() < 0.5);
  const other = schedule.pick(witness.refs());
  return other === undefined ? kept : [...kept, other];
}

function labelOf(name: string, first: unknown): string {
  if (isRef(first)) return `${name} ${placeOf(first)}`;
  return typeof first === "string" ? `${name} ${first}` : name;
}

function isRef(value: unknown): value is RunRef {
  return typeof value === "object" && value !== null && "runId" in value && "tenant" in value;
}

function unreachable(name: string): PawlError {
  return new PawlError("STORE_UNREACHABLE", `the simulated store did not answer "${name}". Its outcome is unknown.`);
}
