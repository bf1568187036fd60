/** What a credential may do. Each includes what its line in `grants` says. */
export const roles = ["read", "run", "review", "operate", "admin"] as const;
export type Role = (typeof roles)[number];

/** `public`: without a credential. Say why beside the route. */
export type RouteRole = Role | "public";

/** `admin` alone manages keys; whoever reviews does not start, and whoever starts does not review. */
const grants: { readonly [role in Role]: readonly Role[] } = {
  read: ["read"],
  run: ["run", "read"],
  review: ["review", "read"],
  operate: ["operate", "run", "read"],
  admin: roles,
};

export function isRole(value: unknown): value is Role {
  return roles.some((role) => role === value);
}

export function mayCall(held: readonly Role[], needed: Role): boolean {
  return held.some((role) => grants[role].includes(needed));
}
