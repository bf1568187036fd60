import { sleep, type Clock } from "../core/clock.ts";
import { PawlError } from "../core/errors.ts";
import { errorText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { HighWaterMark } from "./high-water-mark.ts";
import type { NotifyHub } from "./notify-hub.ts";
import { storeErrorOf, tryLock, type FileLock } from "./sqlite.ts";
import { SqliteClient } from "./sqlite-client.ts";
import { checkFolder, checkSocketOwner, createPrivate, isFlushSlow, type SqliteFiles } from "./sqlite-files.ts";
import { hostHere, hostInThread, type SqliteHost } from "./sqlite-host.ts";
import type { CoreMethods } from "./sqlite-requests.ts";
import { SqliteServer } from "./sqlite-server.ts";

export type SqliteRole = "holder" | "client" | "reader";

/** How this process reaches the database: it holds it, asks the process that holds it, or only reads the file. */
export interface Seat {
  readonly role: SqliteRole;
  call(method: keyof CoreMethods, args: readonly unknown[]): Promise<unknown>;
  publish(channel: string, text: string): void;
  /** Told about the first and last receiver of a channel here. */
  watch(channel: string, isWanted: boolean): void;
  close(): Promise<void>;
}

export interface SeatOptions {
  readonly files: SqliteFiles;
  readonly thread: "auto" | "always" | "never";
  readonly clock: Clock;
  readonly hub: NotifyHub;
  /** The seat is of no use any more: take another. */
  readonly onLost: (seat: Seat) => void;
}

const RETRY_MS = 50;
const SLOW_FLUSH_MS = 1;

export function readerSeat({ files, clock, hub }: SeatOptions): Seat {
  const host = hostHere({ path: files.path, readOnly: true }, clock);
  return {
    role: "reader",
    call: (method, args) => host.call(method, args),
    publish: (channel, text) => hub.publish(channel, text),
    watch: () => {},
    close: () => host.close(),
  };
}

/**
 * Takes the lock and holds the database, or becomes a client of the process that has it. Between two holders nobody
 * answers for a moment: tries for some seconds.
 * @throws STORE_LOCKED, and what opening throws
 */
export async function takeSeat(options: SeatOptions): Promise<Seat> {
  const { files, clock } = options;
  checkFolder(files.path);
  for (let waitedMs = 0; ;) {
    const lock = lockOf(files);
    if (lock !== null) return holderSeat(options, lock);
    const startedAt = clock.monotonicMs();
    const client = await clientSeat(options);
    if (client !== null) return client;
    await sleep(clock, RETRY_MS);
    waitedMs += Math.max(RETRY_MS, clock.monotonicMs() - startedAt);
    if (waitedMs >= limits.storeLockMs) throw nobodyAnswers(files);
  }
}

function lockOf(files: SqliteFiles): FileLock | null {
  try {
    createPrivate(files.lock);
    return tryLock(files.lock);
  } catch (error) {
    throw storeErrorOf(error, files.lock);
  }
}

async function holderSeat(options: SeatOptions, lock: FileLock): Promise<Seat> {
  const { files, clock, hub } = options;
  let host: SqliteHost;
  try {
    const core = { path: files.path, readOnly: false };
    host = needsThread(options) ? await hostInThread(core, clock) : hostHere(core, clock);
  } catch (error) {
    lock.release();
    throw error;
  }
  const server = await serverFor(files, host, hub);
  return {
    role: "holder",
    call: (method, args) => host.call(method, args),
    publish: (channel, text) => hub.publish(channel, text),
    watch: () => {},
    close: async () => {
      await server?.close();
      await host.close();
      lock.release();
    },
  };
}

/** Without a socket the database works, but only for this process. */
async function serverFor(files: SqliteFiles, host: SqliteHost, hub: NotifyHub): Promise<SqliteServer | null> {
  try {
    return await SqliteServer.listen(files, host, hub);
  } catch (error) {
    const reason = errorText(error, 200);
    process.emitWarning(`no other process can share "${files.path}" with this one: ${reason}`, "PawlWarning");
    return null;
  }
}

async function clientSeat({ files, clock, hub, onLost }: SeatOptions): Promise<Seat | null> {
  checkSocketOwner(files);
  const client = await SqliteClient.connect({
    path: files.path,
    socketPath: files.socket,
    clock,
    onHint: (channel, text) => hub.publish(channel, text),
    onLost: () => onLost(seat),
  });
  if (client === null) return null;
  const seat: Seat = {
    role: "client",
    call: (method, args) => client.call(method, args),
    publish: (channel, text) => client.publish(channel, text),
    watch: (channel, isWanted) => (isWanted ? client.subscribe(channel) : client.unsubscribe(channel)),
    close: () => client.close(),
  };
  return seat;
}

/** A thread costs about 40 µs for each group of requests; a slow disk would stop this thread for longer. */
function needsThread({ thread, files }: SeatOptions): boolean {
  if (thread !== "auto") return thread === "always";
  try {
    return isFlushSlow(files.path, SLOW_FLUSH_MS, () => performance.now());
  } catch {
    // a full disk cannot be measured; opening will say what is wrong
    return false;
  }
}

function nobodyAnswers(files: SqliteFiles): PawlError {
  const pid = holderPid(files);
  const who = pid === null ? "another process" : `process ${pid}`;
  return new PawlError(
    "STORE_LOCKED",
    `the database "${files.path}" is held by ${who}, which does not answer at "${files.socket}". If it hangs, end it and repeat; to look without writing, open with { readOnly: true }.`,
    pid === null ? undefined : { details: { pid } },
  );
}

function holderPid(files: SqliteFiles): number | null {
  try {
    const mark = new HighWaterMark(files.highWaterMark);
    const pid = mark.read()?.pid ?? null;
    mark.close();
    return pid;
  } catch {
    return null;
  }
}
