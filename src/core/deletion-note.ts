/**
 * What is being deleted, written before the first step: a deletion can be repeated only by who knows the scope, and once it
 * has begun no listing shows it. Whoever finds an old note finishes.
 */
export interface DeletionNote {
  readonly tenant: string;
  readonly scope: string;
  /** Only runs that ended by then go, ms since 1970: one of the same name may begin later. */
  readonly endedBy: number;
  /** When it was written, ms since 1970. */
  readonly at: number;
}

/** Where notes stand. No id of a user begins with "~". */
export const deletionNotes = "~deletions";

export function deletionKey({ tenant, scope }: Pick<DeletionNote, "tenant" | "scope">): string {
  return `${tenant}/${scope}`;
}
