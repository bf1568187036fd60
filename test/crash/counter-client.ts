import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { ActAnswer, ActRequest, Halt, LookupAnswer } from "./acts.ts";

/** The counter as seen by the tools of one trial. */
export interface Counter {
  act(what: ActRequest, signal?: AbortSignal): Promise<ActAnswer>;
  lookup(key: string): Promise<LookupAnswer>;
  halt(halt: Halt): Promise<void>;
}

/** @param during is told of every call under way */
export function counterOf(port: number, trial: string, during: <T>(call: Promise<T>) => Promise<T>): Counter {
  const post = <T>(verb: string, body: object, signal?: AbortSignal): Promise<T> =>
    during(posted({ port, path: `/${trial}/${verb}`, ...(signal && { signal }) }, body)) as Promise<T>;
  return {
    act: (what, signal) => post("act", what, signal),
    lookup: (key) => post("lookup", { key }),
    halt: async (halt) => {
      await post("halt", halt);
    },
  };
}

async function posted(
  to: { readonly port: number; readonly path: string; readonly signal?: AbortSignal },
  body: object,
): Promise<unknown> {
  const answer = await new Promise<string>((resolve, reject) => {
    const sent = request({ ...to, host: "127.0.0.1", method: "POST", agent: false }, (response) => {
      text(response).then((found) => {
        if (response.statusCode === 200) resolve(found);
        else reject(new Error(`the counter answered ${response.statusCode}: ${found}`));
      }, reject);
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
  return JSON.parse(answer);
}
