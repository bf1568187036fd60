import { isIP } from "node:net";
import { z } from "zod";
import { PawlError } from "../core/errors.ts";
import type { Redactor } from "../core/redact.ts";
import type { GatewayConfig, GatewayLimits, JwtOptions, OtlpConfig, Role, UseLimits } from "../gateway.ts";

/** Every member has its place in the schema, and the schema has no other. */
type Shape<T> = { readonly [name in keyof Required<T>]: z.ZodType };

const ISSUES_SHOWN = 5;
const VALUE_CHARS = 60;

const isHttp = (text: string): boolean => /^https?:$/.test(URL.parse(text)?.protocol ?? "");
const text = (allowed: string): z.ZodString => z.string({ error: allowed }).min(1, { error: allowed });
const address = (allowed: string): z.ZodString => text(allowed).refine(isHttp, { error: allowed });
const list = (of: z.ZodType, allowed: string): z.ZodArray => z.array(of, { error: allowed }).min(1, { error: allowed });
const object = <T extends z.ZodRawShape>(shape: T, allowed: string): z.ZodObject<T> =>
  z.strictObject(shape, { error: ({ code }) => (code === "invalid_type" ? allowed : undefined) });

const above0 = "a number above 0, or null for no limit";
const whole0 = "a whole number above 0, or null for no limit";
const most = z.number({ error: above0 }).positive({ error: above0 }).nullable().optional();
const whole = z.int({ error: whole0 }).positive({ error: whole0 }).nullable().optional();

const use = object(
  {
    requestsPerS: most,
    startsPerMinute: most,
    concurrentRuns: most,
    tokensPerDay: whole,
    costUsdPerDay: most,
  } satisfies Shape<UseLimits>,
  "an object with limits, such as { startsPerMinute: 60 }",
);

const limits = object(
  {
    key: use.optional(),
    tenant: use.optional(),
    tenants: z.record(z.string(), use, { error: "an object with the limits of tenants by their names" }).optional(),
    addressRequestsPerS: most,
  } satisfies Shape<GatewayLimits>,
  "an object such as { tenant: { costUsdPerDay: 50 } }",
);

const roleNames = { read: true, run: true, review: true, operate: true, admin: true } satisfies {
  [role in Role]: true;
};
const role = z.enum(Object.keys(roleNames), { error: `one of ${Object.keys(roleNames).join(", ")}` });

const jwt = object(
  {
    issuer: text("the issuer as its tokens name it, such as https://id.example"),
    audience: text("the audience that tokens for this gateway name"),
    jwksUrl: address("the address of the issuer's keys, such as https://id.example/jwks"),
    algorithms: list(text("the name of a signature algorithm"), 'a list such as ["ES256"]').optional(),
    tenantClaim: text("the name of a claim").optional(),
    rolesClaim: text("the name of a claim").optional(),
    roleNames: z.record(z.string(), role, { error: 'an object such as { "pawl-admin": "admin" }' }).optional(),
  } satisfies Shape<JwtOptions>,
  "{ issuer, audience, jwksUrl }",
);

const header = "text of visible ASCII characters (is the variable of the environment set?)";
const headerName = "names of HTTP headers";
const otlp = object(
  {
    url: address("the address of an OTLP/HTTP receiver, such as http://127.0.0.1:4318"),
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9-]{1,100}$/, { error: headerName }),
        z.string({ error: header }).regex(/^[ -~]{1,4000}$/, { error: header }),
        { error: "an object with headers by their names" },
      )
      .optional(),
    content: z.boolean({ error: "true or false" }).optional(),
    redact: z.custom<Redactor>(isRedactor, { error: "what redactor(rules) of pawl/traces returns" }).optional(),
  } satisfies Shape<OtlpConfig>,
  '{ url: "http://127.0.0.1:4318" }',
);

const hostName = "a host such as pawl.example or pawl.example:8443, without https://";
const proxy = "an address or a network, such as 10.0.0.7 or 10.0.0.0/8";
const gateway = object(
  {
    limits: limits.optional(),
    jwt: jwt.optional(),
    publicUrl: address("an http(s) address, such as https://pawl.example").optional(),
    hosts: list(text(hostName).regex(/^[^\s/@]{1,260}$/, { error: hostName }), "a list of hosts").optional(),
    proxies: list(text(proxy).refine(isNetwork, { error: proxy }), "a list of addresses").optional(),
    otlp: otlp.optional(),
  } satisfies Shape<GatewayConfig>,
  "an object such as { limits: { tenant: { costUsdPerDay: 50 } } }",
);

/**
 * What a configuration exports as `gateway`; members that are undefined count as left out.
 * @param path of the configuration, for the error
 * @throws CONFIG_INVALID
 */
export function checkedGateway(path: string, exported: unknown): GatewayConfig {
  const parsed = gateway.safeParse(exported);
  const given = withoutUndefined(exported);
  if (parsed.success && isChecked(given)) return given;
  const issues = (parsed.error?.issues ?? []).slice(0, ISSUES_SHOWN).map((issue) => told(issue, exported));
  throw new PawlError(
    "CONFIG_INVALID",
    `"${path}" exports a gateway that cannot be used: ${issues.join("; ")}. docs/gateway.md has its options.`,
  );
}

/** After the schema said so: it has all members of the type, see Shape. */
function isChecked(given: unknown): given is GatewayConfig {
  return typeof given === "object" && given !== null;
}

function told(issue: z.core.$ZodIssue, exported: unknown): string {
  const at = ["gateway", ...issue.path.map(String)].join(".");
  if (issue.code === "unrecognized_keys") {
    const allowed = Object.keys(shapeAt(gateway, issue.path)).join(", ");
    return `${at} has ${issue.keys.map((key) => `"${key.slice(0, VALUE_CHARS)}"`).join(", ")}; allowed: ${allowed}`;
  }
  const message = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const isSecret = issue.path[0] === "otlp";
  return `${at} is ${gotText(valueAt(exported, issue.path), isSecret)}; allowed: ${message}`;
}

function shapeAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): object {
  let at = schema;
  for (const name of [...path, null]) {
    while (at instanceof z.ZodOptional) at = at.unwrap();
    if (name === null) break;
    if (at instanceof z.ZodRecord) at = at.valueType;
    else if (at instanceof z.ZodObject) at = memberOf(at, String(name)) ?? at;
  }
  return at instanceof z.ZodObject ? at.shape : {};
}

function memberOf(schema: z.ZodObject, name: string): z.core.$ZodType | undefined {
  const shape: { readonly [key: string]: z.core.$ZodType } = schema.shape;
  return Object.hasOwn(shape, name) ? shape[name] : undefined;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null) return at;
    at = Object.entries(at).find(([key]) => key === String(name))?.[1];
  }
  return at;
}

/** What leaves for an observer may be a secret: its kind alone is said. */
function gotText(value: unknown, isSecret: boolean): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "object") return Array.isArray(value) ? `a list of ${value.length}` : "an object";
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  if (isSecret) return typeof value === "string" ? `a text of ${value.length} characters` : `a ${typeof value}`;
  if (typeof value === "string") return JSON.stringify(value.slice(0, VALUE_CHARS));
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean"
    ? String(value)
    : "another";
}

function isRedactor(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("text" in value) || !("json" in value)) return false;
  return typeof value.text === "function" && typeof value.json === "function" && "isFixed" in value;
}

function isNetwork(given: string): boolean {
  if (given === "loopback" || given === "linklocal" || given === "uniquelocal") return true;
  const [ip = "", bits, ...rest] = given.split("/");
  const version = isIP(ip);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

/** Of plain objects; an instance of a class, such as a redactor may be, stays what it is. */
function withoutUndefined(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const given = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(given.map(([name, one]) => [name, withoutUndefined(one)]));
}
