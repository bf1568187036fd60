/** Where the gateway keeps keys, sessions and limits. No id of a user begins with "~", so nobody can name it. */
export const systemTenant = "~gateway";
