import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { PawlError } from "../../core/errors.ts";
import { limits } from "../../core/limits.ts";
import type { RunHead } from "../../core/run-head.ts";
import { RunReader, type ReadEvent } from "../../engine/run-events.ts";
import { eventPage, type EventPage } from "../api/events.ts";
import { eventsQuery, type EventsQuery } from "../api/list-queries.ts";
import { hash, runId } from "../api/values.ts";
import { EventStreams } from "../event-stream.ts";
import type { Gateway, GatewayApp } from "../gateway.ts";
import { headOf, prefix, refOf, runParams } from "../route-parts.ts";
import { streamStart } from "../sse-frame.ts";

const valueParams: z.ZodType<{ readonly runId: string; readonly hash: string }> = z.object({ runId, hash });

/** The journal of a run: as pages, as a stream, and the values that are too large for both. */
export function runEventRoutes(app: GatewayApp, gateway: Gateway): void {
  const streams = new EventStreams(gateway.app.store, gateway.clock);
  app.get(
    `${prefix}/runs/:runId/events`,
    {
      config: { role: "read" },
      schema: {
        operationId: "listEvents",
        tags: ["events"],
        summary: "Events of a run's journal: a page, or with Accept: text/event-stream all of them as they come",
        description:
          "A stream begins after Last-Event-ID (or `after`), has every event once, live text without an id between, and closes with the event `end`. A value of more than 64 KiB is null; its ref names the blob: GET …/values/{hash}.",
        params: runParams,
        querystring: eventsQuery,
        response: {
          200: {
            description: "Events",
            content: {
              "application/json": { schema: eventPage },
              "text/event-stream": { schema: z.string() },
            },
          },
          204: z.undefined().meta({ description: "The reader has all, and the run has ended." }),
        },
      },
    },
    async (request, reply) => {
      const head = await headOf(gateway, refOf(request));
      void reply.header("vary", "accept");
      if (!wantsStream(request)) return pageOfEvents(gateway, head, request.query);
      return stream({ gateway, streams, head }, request, reply);
    },
  );
  app.get(
    `${prefix}/runs/:runId/values/:hash`,
    {
      config: { role: "read" },
      schema: {
        operationId: "getValue",
        tags: ["events"],
        summary: "A value that an event of the run names by its hash",
        params: valueParams,
        response: { 200: z.unknown() },
      },
    },
    async (request, reply) => {
      const head = await headOf(gateway, refOf(request));
      const bytes = await gateway.app.store.getBlob(head.tenant, head.blobScope, request.params.hash);
      if (bytes === null) {
        throw new PawlError("VALUE_UNKNOWN", `no value "${request.params.hash}" is stored with run "${head.runId}".`);
      }
      // as it is stored: it is JSON already
      return reply
        .header("content-type", "application/json; charset=utf-8")
        .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    },
  );
}

function wantsStream({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? "").toLowerCase().includes("text/event-stream");
}

async function pageOfEvents({ app }: Gateway, head: RunHead, query: EventsQuery): Promise<EventPage> {
  const { after = 0, limit = 200 } = query;
  const reader = new RunReader(app.deps, head, head.blobScope, {
    after,
    valueBytesMax: limits.streamValueBytes,
    readBytes: limits.streamWriteBytes,
  });
  const items: ReadEvent[] = [];
  let bytes = 0;
  for await (const event of reader.read()) {
    bytes += JSON.stringify(event).length;
    items.push(event);
    if (items.length === limit || bytes > limits.eventPageBytes) break;
  }
  const lastSeq = items.at(-1)?.seq ?? Math.min(after, head.seq);
  return { items, lastSeq, hasMore: lastSeq < head.seq };
}

interface StreamOf {
  readonly gateway: Gateway;
  readonly streams: EventStreams;
  readonly head: RunHead;
}

function stream(
  { gateway, streams, head }: StreamOf,
  request: FastifyRequest<{ Querystring: EventsQuery }>,
  reply: FastifyReply,
): FastifyReply {
  const given = request.headers["last-event-id"];
  const start = streamStart(head, typeof given === "object" ? given.join(",") : given, request.query.after);
  // whoever has the end event already would connect again for ever: 204 tells an EventSource to stop
  if (start.type === "ended") return reply.code(204).send();
  let cut = (_why: string): void => undefined;
  const release = gateway.streams.open(request.caller, (why) => cut(why));
  reply.hijack();
  for (const [header, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(header, value);
  }
  reply.raw.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  const reader = streams.attach(reply.raw, { head, afterSeq: start.seq }, release);
  cut = (why) => reader.cut(new PawlError("STREAM_CUT", `the stream was ended: ${why}.`));
  return reply;
}
