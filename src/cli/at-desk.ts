import { connect } from "./connection.ts";
import type { Desk } from "./desk.ts";
import { localDesk } from "./local-desk.ts";
import { openApp, openToRead, type OpenOptions, type Place } from "./place.ts";

/** Does something with the runs of a place, and executes none of them. `open` is about a database. */
export async function atDesk(
  place: Place,
  does: (desk: Desk) => Promise<void>,
  open: OpenOptions & { readonly readOnly?: boolean } = {},
): Promise<number> {
  if (place.server !== undefined) {
    await does(connect(place));
    return 0;
  }
  const { readOnly = false, ...options } = open;
  const opened = await (readOnly ? openToRead(place) : openApp(place, { ...options, worker: false }));
  try {
    await does(localDesk(opened));
    return 0;
  } finally {
    await opened.app.close();
  }
}

/** What is only read needs no code of agents, and is read beside a running owner. */
export const toRead = { readOnly: true } as const;
/** What is said is said to runs that there are. */
export const toSay = { mustExist: true } as const;
