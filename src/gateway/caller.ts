import type { Role } from "./roles.ts";

/** Who asks, as the credential says. Nothing in it comes from a body, a query or a header of the caller's choice. */
export interface Caller {
  readonly tenant: string;
  /** Recorded in the journal as the writer: who started, approved, cancelled. */
  readonly principal: string;
  readonly roles: readonly Role[];
  /** Id of the API key, also behind a session; null for tokens and in development without authentication. */
  readonly keyId: string | null;
  /** `key`: an API key; `session`: a browser that showed one; `token`: a JWT; `development`: authentication is off. */
  readonly kind: "key" | "session" | "token" | "development";
  /** Identity for limits and streams: the same for every request with the same credential. */
  readonly credential: string;
  /** ms since 1970; null = does not expire by itself. */
  readonly expiresAt: number | null;
}
