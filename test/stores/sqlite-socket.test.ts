import assert from "node:assert/strict";
import { once } from "node:events";
import { chownSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import type { Clock } from "../../src/core/clock.ts";
import { limits } from "../../src/core/limits.ts";
import { integrityOf, sqlite } from "../../src/sqlite.ts";
import { FrameReader, sendFrame } from "../../src/stores/socket-frames.ts";
import { tryLock } from "../../src/stores/sqlite.ts";
import { filesOf } from "../../src/stores/sqlite-files.ts";
import { appendTo, nextOf, startRun, turnEnded } from "../../src/testing/suite-journal.ts";
import { readAll } from "../../src/testing/suite-runs.ts";
import { freshFolder } from "./folders.ts";
import { handClock } from "./manual-clock.ts";

const ref = { tenant: "acme", runId: "run-1" };

function dbPath(t: TestContext): string {
  const folder = freshFolder();
  t.after(() => folder.remove());
  return join(folder.path, "pawl.db");
}

/** A clock on which every timer fires at once, and moves the time by its delay. */
function hurriedClock(): Clock {
  const clock = handClock();
  return {
    ...clock,
    setTimer: (delayMs, fire) => {
      const timer = setImmediate(() => {
        clock.pass(delayMs);
        fire();
      });
      return () => clearImmediate(timer);
    },
  };
}

async function roleOf(store: ReturnType<typeof sqlite>): Promise<string | undefined> {
  return (await integrityOf(store))?.role;
}

/** Something at the place of a holder's socket, with the lock taken. */
async function impostor(
  t: TestContext,
  path: string,
  answer: object,
): Promise<{ readonly server: Server; readonly release: () => void }> {
  const files = filesOf(path);
  const lock = tryLock(files.lock);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => sendFrame(socket, answer));
  });
  server.listen(files.socket);
  await once(server, "listening");
  const release = (): void => lock?.release();
  t.after(() => {
    server.close();
    release();
  });
  return { server, release };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

test("two stores of one process share one database, and the second goes on when the first closes", async (t) => {
  const path = dbPath(t);
  const [first, second] = [sqlite(path, { thread: "never" }), sqlite(path, { thread: "never" })];
  t.after(() => Promise.all([first.close(), second.close()]));
  await first.open();
  await second.open();
  assert.deepEqual([await roleOf(first), await roleOf(second)], ["holder", "client"]);
  const heard: string[] = [];
  second.subscribe("channel", (message) => heard.push(message));
  let head = await startRun(second, ref);
  head = await appendTo(first, head, [turnEnded(1)]);
  await first.close();
  head = await appendTo(second, head, [turnEnded(2)]).catch(() => appendTo(second, head, [turnEnded(2)]));
  assert.equal(await roleOf(second), "holder");
  await first.open();
  assert.equal(await roleOf(first), "client");
  first.publish("channel", "still here");
  await readAll(first, head);
  assert.deepEqual(heard, ["still here"]);
});

test("a receiver that only listens goes on hearing over the next holder", async (t) => {
  const path = dbPath(t);
  const first = await impostor(t, path, { type: "hello", protocol: 1, pid: 1 });
  const sockets: { destroy(): void }[] = [];
  first.server.on("connection", (socket) => sockets.push(socket));
  const [next, listener] = [sqlite(path, { thread: "never" }), sqlite(path)];
  t.after(() => Promise.all([listener.close(), next.close()]));
  await listener.open();
  const heard: string[] = [];
  listener.subscribe("channel", (message) => heard.push(message));
  first.server.close();
  first.release();
  const opening = next.open();
  for (const socket of sockets) socket.destroy();
  await opening;
  for (let turns = 0; heard.length === 0 && turns < 200_000; turns++) {
    next.publish("channel", "again");
    await nextTurn();
  }
  assert.equal(heard[0], "again");
  assert.deepEqual([await roleOf(next), await roleOf(listener)], ["holder", "client"]);
});

test("two processes that name one file differently meet at one socket", async (t) => {
  const path = dbPath(t);
  const link = `${path}-link`;
  symlinkSync(join(path, ".."), link);
  const [first, second] = [sqlite(path), sqlite(join(link, "pawl.db"))];
  t.after(() => Promise.all([first.close(), second.close()]));
  await first.open();
  await second.open();
  assert.equal(await roleOf(second), "client");
});

test("a path that is too long for a socket has one elsewhere, which only its owner may enter", async (t) => {
  const folder = join(dbPath(t), "..", "a".repeat(60), "b".repeat(60));
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "pawl.db");
  const { socket } = filesOf(path);
  assert.ok(Buffer.byteLength(socket) <= 100);
  const [first, second] = [sqlite(path), sqlite(path)];
  t.after(() => Promise.all([first.close(), second.close()]));
  await first.open();
  assert.equal(statSync(join(socket, "..")).mode & 0o077, 0);
  await second.open();
  assert.equal(await roleOf(second), "client");
  await startRun(second, ref);
  await second.close();
  await first.close();
  assert.equal(existsSync(socket), false);
});

test("only its owner may use the socket", async (t) => {
  const path = dbPath(t);
  const store = sqlite(path);
  await store.open();
  t.after(() => store.close());
  assert.equal(statSync(filesOf(path).socket).mode & 0o077, 0);
});

test(
  "nothing is told to a socket that somebody else put beside the database",
  {
    skip: process.getuid?.() === 0 ? false : "needs root, to give a socket away",
  },
  async (t) => {
    const path = dbPath(t);
    const { server } = await impostor(t, path, { type: "hello", protocol: 1, pid: 1 });
    let connections = 0;
    server.on("connection", () => connections++);
    writeFileSync(path, "");
    chownSync(filesOf(path).socket, 65_534, 65_534);
    await assert.rejects(sqlite(path).open(), { code: "STORE_LOCKED", message: /made by user 65534/ });
    assert.equal(connections, 0);
  },
);

test("a lock that is held while nobody answers is told after some seconds, with what to do", async (t) => {
  const path = dbPath(t);
  const lock = tryLock(filesOf(path).lock);
  t.after(() => lock?.release());
  const store = sqlite(path, { clock: hurriedClock() });
  await assert.rejects(store.open(), { code: "STORE_LOCKED", message: /another process.*end it and repeat.*readOnly/ });
  lock?.release();
  await store.open();
  await store.close();
});

test("a holder that hangs is told as an unknown outcome", async (t) => {
  const path = dbPath(t);
  await impostor(t, path, { type: "hello", protocol: 1, pid: 1 });
  const clock = handClock();
  let callTimers = 0;
  const store = sqlite(path, {
    clock: {
      ...clock,
      setTimer: (delayMs, fire) => {
        if (delayMs !== limits.storeCallMs) return clock.setTimer(delayMs, fire);
        callTimers++;
        setImmediate(fire);
        return () => {};
      },
    },
  });
  await store.open();
  await assert.rejects(store.readHead(ref), { code: "STORE_UNREACHABLE", message: /did not answer within 5000 ms/ });
  assert.equal(callTimers, 1);
  await store.close();
});

test("a holder of another protocol is refused by name", async (t) => {
  const path = dbPath(t);
  await impostor(t, path, { type: "hello", protocol: 99, pid: 4711 });
  await assert.rejects(sqlite(path).open(), { code: "STORE_LOCKED", message: /process 4711.*another version/ });
});

test("writes that wait when the holder goes away have an unknown outcome", async (t) => {
  const path = dbPath(t);
  const { server } = await impostor(t, path, { type: "hello", protocol: 1, pid: 1 });
  const sockets: { destroy(): void }[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  const store = sqlite(path, { clock: hurriedLock() });
  await store.open();
  const waiting = [store.mark(ref, { indexedSeq: 1 }), store.closeSession("s1")].map((call) =>
    assert.rejects(call, { code: "STORE_UNREACHABLE", message: /went away before it answered/ }),
  );
  await nextTurn();
  server.close();
  for (const socket of sockets) socket.destroy();
  await Promise.all(waiting);
  await store.close();
});

/** Gives up on the lock at once, but waits for a call and a greeting as long as they need. */
function hurriedLock(): Clock {
  const clock = handClock();
  return {
    ...clock,
    setTimer: (delayMs, fire) => clock.setTimer(delayMs < limits.storeHelloMs ? 0 : delayMs, fire),
    monotonicMs: () => performance.now() * 1_000,
  };
}

test("nonsense on the socket ends that connection and nothing else", async (t) => {
  const path = dbPath(t);
  const store = sqlite(path, { thread: "never" });
  await store.open();
  t.after(() => store.close());
  const head = await startRun(store, ref);
  const whole = (json: string): Buffer => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(json.length, 0);
    header.writeUInt32BE(json.length, 4);
    return Buffer.concat([header, Buffer.from(json)]);
  };
  const nonsense = [
    Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    Buffer.alloc(64, 0xff),
    whole("not json"),
    whole("[]"),
    whole('{"type":"drop"}'),
    whole('{"type":"call","id":"one","method":"append","args":[]}'),
    whole('{"type":"publish","channel":"c","text":7}'),
  ];
  for (const bytes of nonsense) {
    const socket = createConnection(filesOf(path).socket);
    socket.on("error", () => {});
    socket.write(bytes);
    socket.resume();
    await once(socket, "close");
  }
  await appendTo(store, head, [turnEnded(1)]);
});

test("a call with wrong arguments over the socket is an answer, not the end of the holder", async (t) => {
  const path = dbPath(t);
  const [holder, client] = [sqlite(path, { thread: "never" }), sqlite(path)];
  t.after(() => Promise.all([client.close(), holder.close()]));
  await holder.open();
  await client.open();
  const head = await startRun(client, ref);
  const wrong = { ...nextOf(head, [turnEnded(1)]), batch: null as never };
  await assert.rejects(client.append(ref, wrong), { code: "INTERNAL" });
  await assert.rejects(client.list("acme", {}, 7 as never, 10));
  await appendTo(holder, head, [turnEnded(1)]);
});

test("frames come out as they went in, however the socket cuts them", () => {
  const message = fc.record(
    { type: fc.string(), text: fc.string({ unit: "grapheme", maxLength: 300 }) },
    { noNullPrototype: true },
  );
  const frame = fc.record({ message, bytes: fc.option(fc.uint8Array({ maxLength: 300 })) });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 200 })),
      (frames, cuts) => {
        const written: Buffer[] = [];
        const socket = { cork() {}, uncork() {}, write: (piece: Uint8Array) => written.push(Buffer.from(piece)) };
        for (const { message, bytes } of frames) sendFrame(socket as never, message, bytes);
        const wire = Buffer.concat(written);
        const reader = new FrameReader();
        const got = [];
        for (let at = 0; at < wire.byteLength;) {
          const length = Number(cuts.next().value);
          got.push(...reader.push(wire.subarray(at, at + length)));
          at += length;
        }
        assert.equal(got.length, frames.length);
        for (const [i, { message, bytes }] of frames.entries()) {
          assert.deepEqual(got[i]?.message, bytes === null ? message : { ...message, hasBytes: true });
          assert.deepEqual(got[i]?.bytes, bytes === null ? null : bytes);
        }
      },
    ),
  );
});
