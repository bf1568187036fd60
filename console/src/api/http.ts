import type { Problem } from "./types.ts";

/** A refusal of the gateway, with its problem document. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problem: Problem | null;

  constructor(status: number, problem: Problem | null) {
    super(problem?.detail ?? `the server answered ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.code = problem?.code ?? `HTTP_${status}`;
    this.problem = problem;
  }
}

export const BASE = "/api/v1";

type Query = { readonly [name: string]: string | number | readonly string[] | undefined };

export function pathWith(path: string, query: object = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query as Query)) {
    if (value === undefined || value === "") continue;
    for (const one of typeof value === "object" ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text === "" ? `${BASE}${path}` : `${BASE}${path}?${text}`;
}

export interface Sent {
  readonly method?: "POST" | "DELETE";
  readonly body?: unknown;
  readonly headers?: { readonly [name: string]: string };
  readonly signal?: AbortSignal | undefined;
}

/** @throws ApiError  a refusal · TypeError  the server cannot be reached */
export async function ask<T>(path: string, sent: Sent = {}): Promise<T> {
  const response = await fetch(path, {
    method: sent.method ?? "GET",
    headers: {
      accept: "application/json",
      ...(sent.body !== undefined && { "content-type": "application/json" }),
      ...sent.headers,
    },
    ...(sent.body !== undefined && { body: JSON.stringify(sent.body) }),
    ...(sent.signal !== undefined && { signal: sent.signal }),
    credentials: "same-origin",
  });
  if (!response.ok) throw new ApiError(response.status, await problemOf(response));
  return (response.status === 204 ? null : await response.json()) as T;
}

async function problemOf(response: Response): Promise<Problem | null> {
  try {
    return (await response.json()) as Problem;
  } catch {
    return null;
  }
}
