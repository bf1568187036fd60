/** What a caller may do after an error: repeat as it is, read the state first, or never repeat unchanged. */
export type Retry = "safe" | "read-first" | "never";

export interface ErrorEntry {
  readonly retry: Retry;
  /** HTTP status of the problem document. */
  readonly status: number;
  /** One line: what it means. The message of an error says what was got, what is allowed and the next step. */
  readonly meaning: string;
}

/** The one table of errors. docs/errors.md has the same codes, checked by the house test both ways. */
export const errorTable = {
  // asked wrongly
  OPTION_INVALID: { status: 400, retry: "never", meaning: "An option or argument is outside what is allowed." },
  CONFIG_INVALID: {
    status: 400,
    retry: "never",
    meaning: "pawl.config.ts is missing, does not load, or does not export what pawl() returns.",
  },
  ID_INVALID: { status: 400, retry: "never", meaning: "An id has characters or a length that are not allowed." },
  NAME_INVALID: { status: 400, retry: "never", meaning: "A name has characters or a length that are not allowed." },
  CURSOR_INVALID: { status: 400, retry: "never", meaning: "A cursor was not made by this listing." },
  INPUT_INVALID: { status: 400, retry: "never", meaning: "The input of a run does not fit its schema or is not JSON." },
  SCHEMA_INVALID: {
    status: 400,
    retry: "never",
    meaning: "A schema cannot be used: it does not convert to JSON Schema.",
  },
  AGENT_UNKNOWN: { status: 404, retry: "never", meaning: "No agent or function of this name is registered." },
  AGENT_DUPLICATE: { status: 400, retry: "never", meaning: "Two runnables have the same name and version." },
  AGENT_UNSUPERVISED: {
    status: 400,
    retry: "never",
    meaning:
      "An agent reads untrusted input, holds confidential data and acts outside, and nobody looks at what it does.",
  },
  TOOL_UNKNOWN: { status: 404, retry: "never", meaning: "No tool of this name is registered or granted." },
  GRANT_UNKNOWN: { status: 404, retry: "never", meaning: "No grant of this id exists for this tenant." },
  TOOL_DUPLICATE: { status: 400, retry: "never", meaning: "Two tools have the same name." },
  FOLDER_UNUSABLE: {
    status: 400,
    retry: "never",
    meaning: "A folder does not exist, is not a folder, or has no readable document.",
  },
  // runs
  RUN_UNKNOWN: { status: 404, retry: "never", meaning: "No run of this id exists for this tenant." },
  RUN_EXISTS_DIFFERENT: {
    status: 409,
    retry: "never",
    meaning: "A run of this id exists and was started with other input.",
  },
  RUN_ENDED: { status: 409, retry: "never", meaning: "The run has ended: its journal takes no more events." },
  SPAN_UNKNOWN: { status: 404, retry: "never", meaning: "No span of this id is in the run's trace." },
  SIGNALS_TOO_MANY: {
    status: 429,
    retry: "safe",
    meaning: "Signals that the run has not waited for yet fill its queue; this one was not taken.",
  },
  RUN_NOT_ENDED: {
    status: 409,
    retry: "read-first",
    meaning: "The run, or one below it, has not ended: it cannot be deleted.",
  },
  RUN_DELETED: { status: 410, retry: "never", meaning: "The run was removed by retention." },
  RUN_NOT_BLOCKED: {
    status: 409,
    retry: "read-first",
    meaning: "The run is not blocked, so there is nothing to unblock.",
  },
  THREAD_BUSY: { status: 409, retry: "safe", meaning: "The thread has an active run and was asked to reject another." },
  FORK_NOT_AT_TURN: { status: 400, retry: "never", meaning: "A fork is possible only at a turn boundary." },
  CHILD_TOO_DEEP: { status: 400, retry: "never", meaning: "Child runs are nested deeper than allowed." },
  // journal
  JOURNAL_CONFLICT: {
    status: 409,
    retry: "read-first",
    meaning: "Somebody appended first. Nothing was written: read, decide again.",
  },
  JOURNAL_CORRUPT: {
    status: 500,
    retry: "never",
    meaning: "A batch of the journal fails its checksum, its hash chain or its order.",
  },
  JOURNAL_DIVERGED: {
    status: 500,
    retry: "never",
    meaning: "The code asked for another call than the journal records at this place.",
  },
  JOURNAL_REGRESSED: { status: 500, retry: "never", meaning: "The store has fewer events than it once acknowledged." },
  FORMAT_UNKNOWN: {
    status: 500,
    retry: "never",
    meaning: "The journal was written in a format newer than this build reads.",
  },
  EVENT_TOO_LARGE: { status: 413, retry: "never", meaning: "An event or batch is larger than the journal takes." },
  // store
  STORE_UNREACHABLE: {
    status: 503,
    retry: "read-first",
    meaning: "The store did not answer: the outcome is unknown. Read before you retry.",
  },
  QUEUE_UNREACHABLE: {
    status: 503,
    retry: "safe",
    meaning: "The queue did not answer. Runs are not lost: workers find what is overdue in the store.",
  },
  STORE_CLOSED: { status: 503, retry: "never", meaning: "The store was closed." },
  STORE_LOCKED: { status: 503, retry: "safe", meaning: "Another process holds the database and does not answer." },
  STORE_READ_ONLY: {
    status: 500,
    retry: "never",
    meaning: "The database, its folder or its server cannot be written.",
  },
  STORE_FORBIDDEN: {
    status: 500,
    retry: "never",
    meaning: "The server of the store refuses this process: its password, its key or its rights.",
  },
  STORE_FULL: {
    status: 507,
    retry: "safe",
    meaning: "The disk, or the memory of the server, has no room. What was acknowledged is kept.",
  },
  STORE_EVICTS: {
    status: 500,
    retry: "never",
    meaning: "The server is set to throw data away when its memory is full.",
  },
  STORE_CORRUPT: { status: 500, retry: "never", meaning: "The database file is damaged or is not a Pawl database." },
  STORE_NEWER: { status: 500, retry: "never", meaning: "The database was written by a newer version of Pawl." },
  STORE_REGRESSED: {
    status: 500,
    retry: "never",
    meaning: "The database is older than it once was: a copy, a restored backup, or a replica that lagged.",
  },
  STORE_REPLACED: {
    status: 500,
    retry: "never",
    meaning: "The database was deleted, emptied, moved or replaced while open.",
  },
  STORE_SINGLE_PROCESS: {
    status: 400,
    retry: "never",
    meaning: "SQLite serves one process; split roles need Redis, PostgreSQL or DynamoDB.",
  },
  STORE_DURABILITY: {
    status: 400,
    retry: "never",
    meaning: "The store may lose acknowledged events, and an agent has tools that must not repeat.",
  },
  DATA_UNREADABLE: {
    status: 500,
    retry: "never",
    meaning: "Stored data cannot be decrypted: its key is wrong, missing or was shredded.",
  },
  BLOB_MISSING: { status: 500, retry: "never", meaning: "A value that the journal names by hash is not in the store." },
  // execution
  RUNNABLE_MISSING: {
    status: 500,
    retry: "safe",
    meaning: "This worker has no code for the run's runnable or a tool version it needs.",
  },
  OWNER_LOST: {
    status: 409,
    retry: "read-first",
    meaning: "This worker no longer owns the run: another took it over or its session died.",
  },
  CONTEXT_REVOKED: {
    status: 409,
    retry: "never",
    meaning: "A context was used after its run was parked, ended or abandoned.",
  },
  BODY_THREW: { status: 500, retry: "never", meaning: "The code of a runnable threw." },
  BODY_AWAITS_OUTSIDE: {
    status: 500,
    retry: "never",
    meaning: "The code of a runnable awaits something that is not a call of its context.",
  },
  CALLS_TOO_MANY: { status: 400, retry: "never", meaning: "One turn asked for more calls than allowed." },
  ASKS_TOO_MANY: {
    status: 400,
    retry: "never",
    meaning: "A run waits for more people, children, timers or signals at once than allowed.",
  },
  GRAPH_INVALID: {
    status: 400,
    retry: "never",
    meaning: "The definition of a graph does not hold together: its message names the node.",
  },
  GRAPH_UPDATE_INVALID: {
    status: 500,
    retry: "never",
    meaning: "A node of a graph returned what does not fit the graph's channels.",
  },
  GRAPH_REDUCER_FAILED: {
    status: 500,
    retry: "never",
    meaning: "The reducer of a channel threw, or gave what is not JSON.",
  },
  GRAPH_ROUTE_INVALID: {
    status: 500,
    retry: "never",
    meaning: "A conditional edge threw, or named a node that it may not lead to.",
  },
  GRAPH_STUCK: {
    status: 500,
    retry: "never",
    meaning: "No node of a graph is left to run, a join still waits, and the end was not reached.",
  },
  POISONED: { status: 500, retry: "never", meaning: "The run killed its worker again and again without progress." },
  UNCAUGHT: { status: 500, retry: "never", meaning: "Code of the run threw where nothing could catch it." },
  DRAINING: { status: 503, retry: "safe", meaning: "This process is shutting down and takes no new work." },
  CANCELLED: { status: 409, retry: "never", meaning: "The run was cancelled." },
  // tools
  TOOL_INPUT_INVALID: { status: 400, retry: "never", meaning: "The arguments of a tool call do not fit its schema." },
  TOOL_OUTPUT_INVALID: {
    status: 500,
    retry: "never",
    meaning: "The result of a tool does not fit its outputSchema or is not JSON.",
  },
  TOOL_FAILED: { status: 500, retry: "never", meaning: "A tool threw." },
  TOOL_TIMED_OUT: { status: 504, retry: "read-first", meaning: "A tool passed its time limit." },
  TOOL_REFUSED: { status: 403, retry: "never", meaning: "A rule refused the call." },
  SECRET_UNKNOWN: { status: 500, retry: "never", meaning: "pawl({ secrets }) gives no secret of this name." },
  SANDBOX_MISSING: {
    status: 503,
    retry: "never",
    meaning: "This machine has no sandbox for this kind of code, or none that keeps apart what is required.",
  },
  SANDBOX_INPUT_INVALID: {
    status: 400,
    retry: "never",
    meaning: "A file for the sandbox has a bad name or is too large.",
  },
  SANDBOX_FAILED: {
    status: 500,
    retry: "safe",
    meaning: "The sandbox itself failed; the code did not run to its end.",
  },
  TOOLS_UNREACHABLE: {
    status: 503,
    retry: "safe",
    meaning: "A server of tools (MCP) that an agent needs does not answer.",
  },
  TOOL_BREAKER_OPEN: { status: 503, retry: "safe", meaning: "The tool failed too often and is resting." },
  EFFECT_UNKNOWN: {
    status: 409,
    retry: "read-first",
    meaning: "The outcome of an earlier call with the same arguments is unknown.",
  },
  EFFECT_NOT_UNKNOWN: {
    status: 409,
    retry: "read-first",
    meaning: "The effect is not unknown, so there is nothing to resolve.",
  },
  // people
  APPROVAL_UNKNOWN: { status: 404, retry: "never", meaning: "No approval of this id exists for this tenant." },
  APPROVAL_DECIDED: { status: 409, retry: "never", meaning: "The approval was decided; the recorded decision stands." },
  APPROVAL_EXPIRED: { status: 409, retry: "never", meaning: "The approval expired; its default decision stands." },
  APPROVAL_CLAIMED: { status: 409, retry: "read-first", meaning: "Somebody else is looking at the approval just now." },
  APPROVAL_VOTED: { status: 409, retry: "never", meaning: "This person has voted on the approval; the vote stands." },
  QUORUM_UNREACHABLE: {
    status: 409,
    retry: "never",
    meaning: "Fewer people may approve than must, so nobody is asked and nothing is done.",
  },
  COMMENTS_TOO_MANY: { status: 409, retry: "never", meaning: "The approval has as many comments as are kept." },
  APPROVAL_FORBIDDEN: { status: 403, retry: "never", meaning: "This person may not decide this approval." },
  APPROVAL_CHANGED: {
    status: 409,
    retry: "read-first",
    meaning: "What was shown to the person is not what would be done.",
  },
  REVIEW_LINK_INVALID: {
    status: 404,
    retry: "never",
    meaning: "The link to an approval is unknown, expired or revoked.",
  },
  APPROVAL_REJECTED: { status: 403, retry: "never", meaning: "A person refused the call." },
  ANSWER_PENDING: {
    status: 409,
    retry: "read-first",
    meaning: "A person's answer waits for the agent's next turn already.",
  },
  ANSWER_INVALID: { status: 400, retry: "never", meaning: "The answer does not fit what was asked." },
  // money
  BUDGET_UNKNOWN: { status: 404, retry: "never", meaning: "No budget of that name is declared." },
  WEBHOOK_REFUSED: {
    status: 502,
    retry: "safe",
    meaning: "A webhook's receiver refused a message, or may not be called.",
  },
  BUDGET_REFUSED: { status: 402, retry: "never", meaning: "The call does not fit a budget." },
  // models
  MODEL_UNKNOWN: { status: 404, retry: "never", meaning: "No provider or route of this name is configured." },
  MODEL_KEY_MISSING: { status: 401, retry: "never", meaning: "The provider's key is not set or cannot be read." },
  MODEL_UNAUTHORIZED: { status: 401, retry: "never", meaning: "The provider refused the key." },
  MODEL_NOT_FOUND: { status: 404, retry: "never", meaning: "The provider does not know this model." },
  MODEL_QUOTA_EXHAUSTED: {
    status: 402,
    retry: "never",
    meaning: "The provider's account has no credit or quota left.",
  },
  MODEL_REQUEST_INVALID: { status: 400, retry: "never", meaning: "The provider refused the request." },
  MODEL_RATE_LIMITED: { status: 429, retry: "safe", meaning: "The provider refused the call for its rate limit." },
  MODEL_QUEUE_FULL: {
    status: 429,
    retry: "safe",
    meaning: "Too many calls wait for the endpoint, or one waited too long. Nothing was sent.",
  },
  MODEL_UNAVAILABLE: {
    status: 503,
    retry: "safe",
    meaning: "The provider cannot be reached or answered with a server error.",
  },
  MODEL_TIMED_OUT: { status: 504, retry: "safe", meaning: "The provider passed a deadline." },
  MODEL_BROKEN_STREAM: { status: 502, retry: "safe", meaning: "The provider's stream broke off before its end." },
  MODEL_BAD_RESPONSE: { status: 502, retry: "safe", meaning: "The provider's answer is not what its protocol says." },
  MODEL_CONTEXT_OVERFLOW: {
    status: 413,
    retry: "never",
    meaning: "The prompt is larger than the model's context window.",
  },
  MODEL_REFUSED: { status: 422, retry: "never", meaning: "The provider's filter refused the content." },
  MODEL_EMPTY: { status: 502, retry: "safe", meaning: "The model answered with nothing." },
  MODEL_TRUNCATED: { status: 502, retry: "never", meaning: "The model's answer was cut by its output limit." },
  MODEL_OUTPUT_INVALID: {
    status: 422,
    retry: "never",
    meaning: "The final answer does not fit the output schema after repair.",
  },
  WORKER_LOST: {
    status: 503,
    retry: "safe",
    meaning: "The worker that made the call died before its answer was recorded.",
  },
  // the gateway
  AUTH_MISSING: { status: 401, retry: "never", meaning: "The request carries no credential." },
  AUTH_INVALID: { status: 401, retry: "never", meaning: "The credential is unknown, malformed, expired or revoked." },
  ROLE_MISSING: { status: 403, retry: "never", meaning: "The credential does not have the role that the route needs." },
  ORIGIN_REFUSED: { status: 403, retry: "never", meaning: "The request comes from a page of another origin." },
  HOST_REFUSED: { status: 421, retry: "never", meaning: "The Host header names a host that this server is not." },
  ROUTE_UNKNOWN: { status: 404, retry: "never", meaning: "There is no such route." },
  REQUEST_INVALID: { status: 400, retry: "never", meaning: "The request breaks HTTP's rules or the route's schema." },
  BODY_INVALID: { status: 400, retry: "never", meaning: "The body is not JSON that the gateway takes." },
  BODY_TOO_LARGE: { status: 413, retry: "never", meaning: "The body is larger than the gateway takes." },
  CONTENT_TYPE_REFUSED: { status: 415, retry: "never", meaning: "The body is not declared as plain JSON." },
  REQUEST_TIMED_OUT: { status: 408, retry: "safe", meaning: "The request did not arrive in time." },
  RATE_LIMITED: { status: 429, retry: "safe", meaning: "A limit of the key, the tenant or the address is used up." },
  STREAMS_TOO_MANY: { status: 429, retry: "safe", meaning: "More streams are open than allowed." },
  STREAM_CUT: {
    status: 503,
    retry: "safe",
    meaning: "The server ended a stream of events before the run ended. Connect again with Last-Event-ID.",
  },
  LAST_EVENT_ID_INVALID: {
    status: 400,
    retry: "never",
    meaning: "Last-Event-ID is no place in this run's journal.",
  },
  IDEMPOTENCY_KEY_INVALID: { status: 400, retry: "never", meaning: "The Idempotency-Key is not one that is taken." },
  IDEMPOTENCY_KEY_REUSED: {
    status: 409,
    retry: "never",
    meaning: "The Idempotency-Key was used for another request of this tenant.",
  },
  VALUE_UNKNOWN: { status: 404, retry: "never", meaning: "No value of this hash is stored with the run." },
  THREAD_UNKNOWN: { status: 404, retry: "never", meaning: "No thread of this id exists for this tenant." },
  TRACES_OFF: { status: 501, retry: "never", meaning: "This process has no trace index, which the request needs." },
  OVERLOADED: {
    status: 503,
    retry: "safe",
    meaning: "The server has more work than it can take; nothing was started.",
  },
  SERVER_UNREACHABLE: { status: 503, retry: "safe", meaning: "No gateway answers at the address that was named." },
  KEY_UNKNOWN: { status: 404, retry: "never", meaning: "No API key of this id exists for this tenant." },
  // the rest
  INTERNAL: { status: 500, retry: "never", meaning: "A promise of Pawl's own code is broken. Please report it." },
} as const;

export type ErrorCode = keyof typeof errorTable;
