import { PawlError } from "../core/errors.ts";
import { errorText } from "../core/json.ts";

/** What says that nothing was begun, or not even sent: the same may be sent again. */
const NOT_BEGUN =
  /^(LOADING|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|MOVED|ASK)\b|^Too many Cluster redirections|enableOfflineQueue options is false$/;

export function hasNotBegun(error: unknown): boolean {
  return error instanceof Error && NOT_BEGUN.test(error.message);
}

type Meaning = readonly [answer: RegExp, code: PawlError["code"], says: string];

const MEANINGS: readonly Meaning[] = [
  [
    /^(WRONGPASS|NOAUTH|ERR AUTH|ERR invalid password)/,
    "STORE_FORBIDDEN",
    "refuses the user or password. Correct them in the URL or in { username, password }",
  ],
  [
    /^(NOPERM|ERR unknown command)/,
    "STORE_FORBIDDEN",
    "does not let this user run a command that Pawl needs. Give it +@all on the keys pawl:* and the channels pawl:*, or +info +config|get too",
  ],
  [
    /^(OOM|ERR .*maxmemory)/,
    "STORE_FULL",
    "has reached its maxmemory, and nothing was written. Raise it, or delete threads that are no longer needed; reading goes on",
  ],
  [
    /^MISCONF/,
    "STORE_FULL",
    "cannot write its files, so it takes no writes. Look into its log: the disk is full or cannot be written",
  ],
  [
    /^READONLY|Can not run script with write flag on readonly replica/i,
    "STORE_READ_ONLY",
    "is a read-only replica. Name the primary instead",
  ],
  [
    /^NOREPLICAS/,
    "STORE_UNREACHABLE",
    "has too few replicas to take writes (min-replicas-to-write), and nothing was written. Start them",
  ],
  [
    /^PAWLREPLACED/,
    "STORE_REPLACED",
    "is not the store that was opened: it was emptied or replaced. Nothing was written to it. Put the old data back, or restart the processes to begin with what it has now",
  ],
  [
    /^PAWLREGRESSED/,
    "STORE_REGRESSED",
    "has lost writes that it had acknowledged: it was restored, its file was cut, or a replica that lagged took over. Nothing was written to it. Put the newest data back, or restart the processes to go on with what it has",
  ],
  [/^WRONGTYPE/, "STORE_CORRUPT", "keeps something else under a key of Pawl. Use another database or server"],
  [/cluster support disabled/, "OPTION_INVALID", 'is no cluster. Begin the URL with "redis://"'],
];

/** An error of the driver or the server in our words; not as its cause, since it carries the arguments of its command. */
export function redisError(error: unknown, place: string): PawlError {
  if (PawlError.is(error)) return error;
  const text = errorText(error, 200);
  const answer = error instanceof Error ? error.message : "";
  const [, code, says] = MEANINGS.find(([form]) => form.test(answer)) ?? [];
  if (code !== undefined) return new PawlError(code, `Redis at ${place} ${says} (${text}).`);
  return new PawlError(
    "STORE_UNREACHABLE",
    `Redis at ${place} does not answer (${text}). See that it runs, can be reached and takes more connections (maxclients); what was asked for may have been done.`,
  );
}
