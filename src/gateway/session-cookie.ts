const NAME = "pawl_session";

/** The session token of a cookie header; null where there is none, or more than one. */
export function sessionTokenOf(header: string | undefined): string | null {
  if (header === undefined) return null;
  const found = header
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${NAME}=`));
  return found.length === 1 ? (found[0] ?? "").slice(NAME.length + 1) : null;
}

/** Strict: no page of another site can make the browser send it. `isSecure` where the gateway is reached by https. */
export function sessionCookie(token: string, maxAgeS: number, isSecure: boolean): string {
  const secure = isSecure ? "; Secure" : "";
  return `${NAME}=${token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure}`;
}
