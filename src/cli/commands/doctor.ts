import { existsSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errorRecord } from "../../core/errors.ts";
import { isolations } from "../../core/sandbox-contract.ts";
import { sandboxSurvey } from "../../sandbox.ts";
import { systemClock, systemEntropy } from "../../engine/system-clock.ts";
import { integrityOf } from "../../sqlite.ts";
import { exitCodes } from "../exit-codes.ts";
import { gatewayFindings, runFindings, wrong, type Finding } from "../gateway-findings.ts";
import { localDesk } from "../local-desk.ts";
import { bytesText, countText } from "../figures.ts";
import { configName, configPath, loadConfig } from "../load-config.ts";
import { openToRead, type Opened, type Place } from "../place.ts";
import { paint, plain, say } from "../terminal.ts";
import { version } from "../version.ts";

const marks = { ok: "✓", note: "·", wrong: "✗" } as const;
const colours = { ok: "green", note: "dim", wrong: "red" } as const;

/** `pawl doctor`: what is there, what is missing, and what to do about it. */
export async function doctor(place: Place): Promise<number> {
  const findings = place.server === undefined ? await here(place) : [runtime(), ...(await gatewayFindings(place))];
  for (const finding of findings) {
    if (place.json === true) say(JSON.stringify(finding));
    else say(`${paint(colours[finding.state], marks[finding.state])} ${finding.what.padEnd(14)} ${finding.detail}`);
  }
  return findings.some(({ state }) => state === "wrong") ? exitCodes.failed : exitCodes.ok;
}

async function here(place: Place): Promise<readonly Finding[]> {
  return [
    runtime(),
    ...(await configuration(place)),
    ...(await database(place)),
    ...(await models(place)),
    ...(await toolServers(place)),
    ...(await sandboxes()),
  ];
}

async function sandboxes(): Promise<readonly Finding[]> {
  return (await sandboxSurvey()).map(({ engine, kinds, report }) => {
    const what = "sandbox";
    const name = `${engine} (${kinds.join(", ")})`;
    if (typeof report === "string") return { what, state: "note", detail: `${name}: ${report}` };
    const lacking = isolations.filter((isolation) => !report.enforces[isolation]);
    const notes = report.notes.length === 0 ? "" : ` · ${report.notes.join(" · ")}`;
    if (lacking.length === 0)
      return { what, state: "ok", detail: `${name}: keeps apart ${isolations.join(", ")}${notes}` };
    return { what, state: "note", detail: `${name}: does not keep apart ${lacking.join(", ")}${notes}` };
  });
}

function runtime(): Finding {
  return {
    what: "pawl",
    state: "ok",
    detail: `${version()} on Node ${process.versions.node}, ${process.platform} ${process.arch}`,
  };
}

async function configuration(place: Place): Promise<readonly Finding[]> {
  const what = "configuration";
  try {
    const path = configPath(place.config);
    if (path === null) {
      return [
        {
          what,
          state: "note",
          detail: `no ${configName} here: only the built-in agent research is known ("pawl init DIR" makes one)`,
        },
      ];
    }
    const { registry } = await loadConfig(path);
    const names = registry.runnables.map(({ name }) => name);
    return [{ what, state: "ok", detail: `${path}: ${names.join(", ") || "no agents"}` }];
  } catch (error) {
    return [wrong(what, error)];
  }
}

/** Connects to each server of tools that the configuration names, and says what it offers. */
async function toolServers(place: Place): Promise<readonly Finding[]> {
  const path = configPath(place.config);
  const sources =
    path === null
      ? []
      : await loadConfig(path).then(
          ({ registry }) => registry.sources,
          () => [],
        );
  const findings = sources.map(async (source): Promise<Finding> => {
    const what = `tools of ${source.name}`;
    try {
      await source.load({ clock: systemClock, entropy: systemEntropy });
      const { says, problems } = source.state;
      const detail = [`${countText(source.tools.length, "tool")}, ${says ?? ""}`, ...problems].map(plain).join("; ");
      return { what, state: problems.length > 0 ? "note" : "ok", detail };
    } catch (error) {
      return wrong(what, error);
    } finally {
      await source.close();
    }
  });
  return Promise.all(findings);
}

async function database(place: Place): Promise<readonly Finding[]> {
  const what = "database";
  let opened: Opened;
  try {
    opened = await openToRead(place);
  } catch (error) {
    const record = errorRecord(error, "INTERNAL");
    return record.code === "FOLDER_UNUSABLE" && /there is no database/.test(record.message)
      ? [{ what, state: "note", detail: record.message }]
      : [wrong(what, error)];
  }
  try {
    return [...(await sqliteFindings(opened)), ...(await workerFindings(opened))];
  } catch (error) {
    return [wrong(what, error)];
  } finally {
    await opened.app.close();
  }
}

async function sqliteFindings({ app }: Opened): Promise<readonly Finding[]> {
  const { capabilities } = app.store;
  const report = await integrityOf(app.store);
  const durable = {
    power: "survives loss of power",
    process: "survives the death of processes",
    window: "may lose what it acknowledged last",
    none: "survives nothing",
  }[capabilities.durability];
  if (report === null) return [{ what: "database", state: "ok", detail: `${capabilities.name}, ${durable}` }];
  const { path, fileBytes, walBytes, runs, problems } = report;
  const free = statfsSync(dirname(path));
  const room = free.bavail * free.bsize;
  const state = problems.length > 0 ? "wrong" : "ok";
  const sound = problems.length > 0 ? `damaged: ${problems[0] ?? ""} ("pawl verify" says more)` : `sound, ${durable}`;
  return [
    {
      what: "database",
      state,
      detail: `${path}: ${countText(runs, "run")}, ${bytesText(fileBytes + walBytes)}, ${sound}`,
    },
    {
      what: "disk",
      state: room < LOW_BYTES ? "wrong" : "ok",
      detail: `${bytesText(room)} free${room < LOW_BYTES ? ": make room, or nothing can be recorded" : ""}`,
    },
  ];
}

const LOW_BYTES = 104_857_600;

async function workerFindings(opened: Opened): Promise<readonly Finding[]> {
  const sessions = (await opened.app.store.listSessions()).filter(({ dead }) => !dead);
  const workers = sessions.map(({ worker }) => plain(worker)).join(", ");
  return [
    {
      what: "workers",
      state: sessions.length === 0 ? "note" : "ok",
      detail: workers === "" ? "none runs now" : workers,
    },
    ...(await runFindings(localDesk(opened))),
  ];
}

async function models(place: Place): Promise<readonly Finding[]> {
  const { defaultRoute, modelSource } = await import("../../models.ts");
  const path = place.config ?? configName;
  const config = existsSync(resolve(path)) ? await loadConfig(resolve(path)).catch(() => null) : null;
  const source = config?.deps.models ?? modelSource();
  const own = config?.registry.runnables.flatMap(({ routes }) => routes) ?? [];
  return [...new Set(own.length > 0 ? own : [defaultRoute()])].map((route): Finding => {
    try {
      source.check(route);
      const next = source.next(route, [], 0);
      const notice = next.type === "try" ? next.endpoint.notice : undefined;
      return {
        what: "model",
        state: notice === undefined ? "ok" : "note",
        detail: notice ?? `${route}: its key is set ("pawl models check" asks it)`,
      };
    } catch (error) {
      return wrong("model", error);
    }
  });
}
