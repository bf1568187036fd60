import type { JsonValue } from "../core/json.ts";
import type { Approval } from "../engine/approval.ts";
import { escaped } from "./docs-page.ts";

/** An open approval for the holder of a link: the exact call, and a form. No script. */
export function reviewPage(approval: Approval, by: string): string {
  const { tool, version, input, schema, reasons, expiresAt, agent, title, principal, quorum, votes } = approval;
  const facts = [
    ["asked by", `${agent} for ${principal}`],
    ["run", `${approval.runId} ${title}`],
    ...(tool === null ? [] : [["call", `${tool}@${version ?? ""}, ${approval.effect ?? ""}`] as const]),
    ...(reasons.length === 0 ? [] : [["why", reasons.join("; ")] as const]),
    ...(quorum === 1 ? [] : [["votes", `${votes.length} so far; ${quorum} must approve the same`] as const]),
    ["open until", expiresAt === null ? "it is decided" : new Date(expiresAt).toISOString()],
    ["you are", by],
  ] as const;
  return page(
    approval.question,
    [
      `<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join("")}</dl>`,
      tool === null ? "" : `<h2>Arguments</h2><pre>${escaped(JSON.stringify(input, null, 2))}</pre>`,
      form(schema),
    ].join(""),
  );
}

/** What became of it: recorded, refused, or not there. */
export function outcomePage(title: string, text: string): string {
  return page(title, `<p>${escaped(text)}</p>`);
}

function form(schema: Approval["schema"]): string {
  const button = (vote: string, words: string): string => `<button name="vote" value="${vote}">${words}</button>`;
  const answer =
    schema === null
      ? ""
      : `<label>Your answer${isText(schema) ? "" : " as JSON"}<textarea name="answer" rows="4"></textarea></label><details><summary>what fits</summary><pre>${escaped(JSON.stringify(schema, null, 2))}</pre></details>`;
  return [
    `<form method="post">${answer}<label>Reason<input name="reason" maxlength="1000"></label>`,
    `${schema === null ? button("approve", "Approve") : button("answer", "Answer")} ${button("reject", "Reject")}</form>`,
    `<p><small>This link decides once. To approve other arguments, use the console.</small></p>`,
  ].join("");
}

/** An answer that is text is taken as it is typed. */
export function isText(schema: Approval["schema"]): boolean {
  const type: JsonValue | undefined = schema?.["type"];
  return type === "string";
}

function page(title: string, body: string): string {
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">`,
    `<title>${escaped(title)}</title><link rel="stylesheet" href="/docs.css"></head><body>`,
    `<h1>${escaped(title)}</h1>${body}</body></html>`,
  ].join("");
}
