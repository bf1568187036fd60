import { Link } from "wouter";
import { useTools } from "../api/tools.ts";
import type { ToolLine } from "../api/types.ts";
import { durationText, exactText } from "../format/figures.ts";
import { oneLine } from "../format/visible-text.ts";
import { standingOf } from "../tools/standing.ts";
import { ToolDetail } from "../tools/tool-detail.tsx";
import { Empty } from "../ui/empty.tsx";
import { usePageTitle } from "../ui/page-title.ts";
import { Problem } from "../ui/problem.tsx";
import { Pill } from "../ui/status.tsx";

const idOf = ({ name, version }: ToolLine): string => `${name}@${version}`;

/** What runs may call: by version, reviewed or not, granted or not. */
export function ToolsPage({ id }: { readonly id: string | null }) {
  usePageTitle("Tools");
  const tools = useTools();
  const items = tools.data?.items ?? [];
  const chosen = items.find((line) => idOf(line) === id) ?? null;
  return (
    <div className="flex h-full flex-col">
      <header className="border-b border-line px-5 py-3">
        <h1 className="text-lg font-semibold tracking-tight">Tools</h1>
        <p className="text-soft">
          What runs may call, what each was granted, and whose definition waits for a look. Calls, errors and median are
          those of the process that answers, since it started.
        </p>
      </header>
      <div className="min-h-0 flex-1 overflow-auto px-5 py-4" tabIndex={0} role="region" aria-label="Tools">
        {tools.error === null ? null : <Problem error={tools.error} />}
        {tools.data !== undefined && items.length === 0 ? <NoTools /> : null}
        <div className="flex max-w-6xl flex-col gap-4 lg:flex-row lg:items-start">
          {items.length === 0 ? null : <ToolTable items={items} id={id} />}
          {chosen === null ? null : <ToolDetail key={idOf(chosen)} line={chosen} />}
        </div>
      </div>
    </div>
  );
}

/** What a narrow screen leaves to the tool's own page. */
const wideOnly: ReadonlySet<string> = new Set(["Effect", "Calls", "Median"]);

function ToolTable({ items, id }: { readonly items: readonly ToolLine[]; readonly id: string | null }) {
  return (
    <div className="card min-w-0 flex-1 overflow-x-auto">
      <table className="w-full text-sm">
        <thead className="text-left text-2xs text-faint">
          <tr className="border-b border-line">
            {["Tool", "State", "Effect", "Calls", "Errors", "Median"].map((head) => (
              <th
                key={head}
                scope="col"
                className={`px-3 py-1.5 font-medium ${wideOnly.has(head) ? "max-md:hidden" : ""}`}
              >
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {items.map((line) => (
            <ToolRow key={idOf(line)} line={line} isChosen={idOf(line) === id} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ToolRow({ line, isChosen }: { readonly line: ToolLine; readonly isChosen: boolean }) {
  const { tone, text, about } = standingOf(line);
  const { calls, errors, p50Ms } = line.health;
  return (
    <tr className={isChosen ? "bg-hover" : "hover:bg-hover"}>
      <td className="w-full max-w-0 px-3 py-2">
        <Link href={`/tools/${encodeURIComponent(idOf(line))}`} className="linkish wrap-anywhere">
          {oneLine(idOf(line), 80)}
        </Link>
        <p className="truncate text-xs text-faint">
          {oneLine(line.deprecated === null ? line.description : `Deprecated: ${line.deprecated}`, 120)}
        </p>
      </td>
      <td className="px-3 py-2 whitespace-nowrap">
        <Pill tone={tone} title={about}>
          {text}
        </Pill>
      </td>
      <td className="px-3 py-2 text-soft max-md:hidden">{line.effect}</td>
      <td className="px-3 py-2 tabular max-md:hidden">{exactText(calls)}</td>
      <td className={`px-3 py-2 tabular ${errors > 0 ? "text-bad" : ""}`}>{exactText(errors)}</td>
      <td className="px-3 py-2 whitespace-nowrap tabular max-md:hidden">
        {p50Ms === null ? "–" : durationText(p50Ms)}
      </td>
    </tr>
  );
}

function NoTools() {
  return (
    <Empty icon="tool" title="No agent has tools">
      <p>
        An agent is given tools in <code className="font-mono text-ink">pawl.config.ts</code>:{" "}
        <code className="font-mono text-ink">agent(&#123; tools: [...] &#125;)</code>.
      </p>
    </Empty>
  );
}
