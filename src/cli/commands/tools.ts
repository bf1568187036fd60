import { PawlError } from "../../core/errors.ts";
import { nameAtVersion } from "../../core/id.ts";
import type { ToolRate } from "../../core/tool-contract.ts";
import type { GrantRequest } from "../../core/tool-grants.ts";
import type { GrantLine, ToolDiff, ToolLine } from "../../core/tool-line.ts";
import { atDesk } from "../at-desk.ts";
import type { Desk } from "../desk.ts";
import { costText, dateText, durationText } from "../figures.ts";
import type { Place } from "../place.ts";
import { question } from "../question.ts";
import { isInteractive, note, oneLine, paint, plain, say, sayTable, table, tell } from "../terminal.ts";

type Options = Place & { readonly [option: string]: unknown };
export type ToolCommand = (args: readonly (string | undefined)[], options: Options) => Promise<number>;

interface Of {
  readonly name: string;
  readonly version?: string;
}

/** `pawl tools …`, by the words after `pawl`: at a database, or at the gateway of `--server`. */
export const toolCommands: { readonly [words: string]: ToolCommand } = {
  tools: (_args, options) =>
    atDesk(options, async (desk) => {
      const { items: lines } = await desk.listTools();
      if (options.json === true) for (const line of lines) say(JSON.stringify(line));
      else showTools(lines);
    }),
  "tools show": ([id = ""], options) =>
    atDesk(options, async (desk) => {
      const { name, version } = ofText(id);
      const lines = (await desk.listTools()).items.filter(
        (line) => line.name === name && (version ?? line.version) === line.version,
      );
      // the registry says what there is
      if (lines.length === 0) await diffOf(desk, ofText(id));
      const { items: grants } = await desk.listGrants({ tool: name });
      for (const line of lines)
        if (options.json === true) say(JSON.stringify({ ...line, grants }));
        else showTool(line, grants);
    }),
  "tools grants": ([tool], options) =>
    atDesk(options, async (desk) => {
      const { items: grants } = await desk.listGrants(tool === undefined ? {} : { tool });
      if (options.json === true) for (const grant of grants) say(JSON.stringify(grant));
      else showGrants(grants);
    }),
  "tools grant": ([id = "", ...capabilities], options) =>
    atDesk(options, async (desk) => {
      const grant = await desk.grantTool(requestOf(ofText(id), capabilities.flat(), options));
      if (options.json === true) say(JSON.stringify(grant));
      else
        say(
          `granted ${grant.capabilities.join(", ")} to ${whomText(grant)}. Take it back: pawl tools revoke ${grant.id}`,
        );
    }),
  "tools revoke": ([id = ""], options) =>
    atDesk(options, async (desk) => {
      const grant = await desk.revokeGrant(id);
      if (options.json === true) say(JSON.stringify(grant));
      else say(`revoked: ${grant.tool} has no more ${grant.capabilities.join(", ")} by this grant.`);
    }),
  "tools diff": ([id = ""], options) =>
    atDesk(options, async (desk) => {
      const diff = await diffOf(desk, ofText(id));
      if (options.json === true) say(JSON.stringify(diff));
      else showDiff(diff);
    }),
  "tools accept": ([id = ""], options) => atDesk(options, (desk) => accept(desk, ofText(id), options)),
  "tools quarantine": ([id = ""], options) =>
    atDesk(options, async (desk) => {
      const { name, ...version } = ofText(id);
      await desk.quarantineTool(name, { ...version, ...text(options, "reason") });
      tell(options, `${id} is quarantined: no call of it starts. Take it out: pawl tools accept ${id}`);
    }),
};

function diffOf(desk: Desk, { name, ...version }: Of): Promise<ToolDiff> {
  return desk.diffTool(name, version);
}

/** `send_email` or `send_email@2` */
function ofText(id: string): Of {
  const at = id.lastIndexOf("@");
  return at < 1 ? { name: id } : { name: id.slice(0, at), version: id.slice(at + 1) };
}

function text<K extends string>(options: Options, key: K): { readonly [key in K]?: string } {
  const value = options[key];
  return (typeof value === "string" ? { [key]: value } : {}) as { readonly [key in K]?: string };
}

const DAY_MS = 86_400_000;

function requestOf({ name, version }: Of, given: readonly (string | undefined)[], options: Options): GrantRequest {
  const { days } = text(options, "days");
  if (days !== undefined && !(Number(days) > 0))
    throw new PawlError("OPTION_INVALID", `--days is "${days}". Give for how many days it holds: --days 7.`);
  return {
    tool: name,
    ...(version !== undefined && { version }),
    capabilities: given.filter((one) => one !== undefined),
    ...text(options, "agent"),
    ...text(options, "principal"),
    ...text(options, "role"),
    ...text(options, "reason"),
    ...(days !== undefined && { until: Math.round(Date.now() + Number(days) * DAY_MS) }),
  };
}

/** What is accepted is what was shown: the diff that a person read, or the hash that they name. */
async function accept(desk: Desk, of: Of, options: Options): Promise<void> {
  const diff = await diffOf(desk, of);
  const id = nameAtVersion(diff.name, diff.version);
  const named = text(options, "hash").hash;
  if (named === undefined && options["yes"] !== true) {
    if (options.json === true || !isInteractive())
      throw new PawlError(
        "OPTION_INVALID",
        `nobody is here to look at ${id}. Read "pawl tools diff ${id}", then: pawl tools accept ${id} --hash ${diff.hash}`,
      );
    showDiff(diff);
    const answer = await question(`Accept ${id} as it is now? [y/N] `);
    if (answer?.trim().toLowerCase() !== "y") return note(`${id} stays as it is.`);
  }
  const { name, ...version } = of;
  await desk.acceptTool(name, { ...version, hash: named ?? diff.hash });
  tell(options, `${id} is accepted as ${diff.hash.slice(0, 12)}. Runs that start from now on may use it.`);
}

function showTools(lines: readonly ToolLine[]): void {
  if (lines.length === 0)
    return say(
      'no agent here has tools: agent({ tools: [...] }) in pawl.config.ts. Those of a running "pawl up": --server URL',
    );
  const rows = lines.map((line) => [
    nameAtVersion(plain(line.name), plain(line.version)),
    stateText(line),
    line.effect,
    String(line.health.calls),
    String(line.health.errors),
    line.health.p50Ms === null ? "-" : `${line.health.p50Ms} ms`,
    line.cost === null ? "-" : priceText(line.cost),
    line.rate === null ? "-" : rateText(line.rate),
    [line.owner, line.origin].filter((one) => one !== null).join(" ") || "-",
    line.missing.length > 0 ? `needs ${line.missing.join(" ")}` : aboutText(line),
  ]);
  const heads = ["TOOL", "STATE", "EFFECT", "CALLS", "ERRORS", "P50", "COST", "RATE", "FROM", ""];
  sayTable(heads, rows);
  note(
    "calls, errors and p50: of the process that answers, since it started. All that were made: pawl usage --by tool",
  );
  const waiting = lines.find(({ state }) => state === "quarantined");
  if (waiting !== undefined) note(`more: pawl tools diff ${nameAtVersion(waiting.name, waiting.version)}`);
}

function aboutText({ deprecated, description }: ToolLine): string {
  return oneLine(deprecated === null ? description : `deprecated: ${deprecated}`, 200);
}

function priceText({ nanoUsdMax, isFixed }: NonNullable<ToolLine["cost"]>): string {
  return `${isFixed ? "" : "up to "}${costText(nanoUsdMax)}`;
}

const spans: Readonly<Record<number, string>> = { 1_000: "s", 60_000: "min", 3_600_000: "h", [DAY_MS]: "day" };

function rateText({ calls, perMs }: ToolRate): string {
  return `${calls}/${spans[perMs] ?? durationText(perMs)}`;
}

function stateText({ state, missing, health }: ToolLine): string {
  if (state === "quarantined") return "quarantined";
  if (health.isResting) return "resting";
  return missing.length > 0 ? "not granted" : state;
}

function showTool(line: ToolLine, grants: readonly GrantLine[]): void {
  const { review } = line;
  say(`${paint("bold", nameAtVersion(line.name, line.version))}  ${stateText(line)}`);
  say(plain(line.description));
  if (line.reason !== null) say(`${paint("yellow", line.reason)}: pawl tools diff ${line.name}`);
  const accepted = review === null ? "not yet" : `${review.by ?? "at first sight"}, ${dateText(review.at)}`;
  const rows = [
    ["effect", line.effect],
    ["trust", typeof line.trust === "string" ? line.trust : `trusted: ${line.trust.trustedPaths.join(", ")}`],
    ["from", line.origin ?? "this program"],
    ["hash", line.hash],
    ["accepted", plain(accepted)],
    ["needs", line.capabilities.join(" ") || "nothing"],
    ["used by", line.usedBy.join(", ")],
    ["calls", `${line.health.calls}, ${line.health.errors} failed, in the process that answers, since it started`],
    ...(line.owner === null ? [] : [["owner", plain(line.owner)]]),
    ...(line.cost === null ? [] : [["cost", `${priceText(line.cost)} a call`]]),
    ...(line.rate === null ? [] : [["rate", `${rateText(line.rate)}, per tenant`]]),
    ...(line.deprecated === null ? [] : [["deprecated", plain(line.deprecated)]]),
  ];
  for (const row of table(rows)) say(`  ${row}`);
  if (grants.length > 0) showGrants(grants);
}

function showGrants(grants: readonly GrantLine[]): void {
  if (grants.length === 0)
    return say("nothing is granted. Grant: pawl tools grant TOOL net:api.example.org --agent NAME");
  const rows = grants.map((grant) => [
    grant.id,
    grant.state,
    grant.until === undefined ? "revoked" : dateText(grant.until),
    oneLine(grant.by, 24),
    plain(
      `${grant.capabilities.join(" ")} to ${whomText(grant)}${grant.reason === undefined ? "" : `: ${grant.reason}`}`,
    ),
  ]);
  sayTable(["GRANT", "STATE", "UNTIL", "BY", "WHAT"], rows);
}

function whomText({ tool, version, agent, principal, role }: GrantRequest): string {
  const whom = Object.entries({ agent, principal, role }).filter(([, name]) => name !== undefined);
  const named = whom.map(([kind, name]) => `${kind} ${plain(name ?? "")}`).join(" and ");
  return `${named || "every run"} with ${version === undefined ? tool : nameAtVersion(tool, version)}`;
}

function showDiff({ name, version, hash, acceptedHash, changes }: ToolDiff): void {
  const from = acceptedHash === null ? "nothing was accepted yet" : `accepted: ${acceptedHash.slice(0, 12)}`;
  say(`${paint("bold", nameAtVersion(name, version))}  ${from}  now: ${hash.slice(0, 12)}`);
  if (changes.length === 0) say("it says what was accepted.");
  for (const { path, before, after } of changes) {
    say(plain(path));
    if (before !== null) say(paint("red", `- ${plain(before)}`));
    if (after !== null) say(paint("green", `+ ${plain(after)}`));
  }
}
