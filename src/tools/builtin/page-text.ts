import { limits } from "../../core/limits.ts";
import { htmlLines } from "./html-lines.ts";

export interface PageLink {
  readonly text: string;
  readonly url: string;
}
export interface PageText {
  readonly text: string;
  /** To http and https, the first ones; of HTML only. */
  readonly links: readonly PageLink[];
  /** What a reader of the page does not see, by kind: left out of `text`. */
  readonly removed: Readonly<Record<string, number>>;
}

/** Where a new line begins, also in a page that is all on one. */
const block =
  /<(?=\/?(?:p|div|h[1-6]|[uod]l|li|d[td]|tr|table|br|hr|pre|section|article|main|header|footer|nav|body|blockquote|title)[\s/>])/gi;

interface Link {
  text: string;
  readonly url: string;
}

/** What a person would read on a web page; Markdown in it points nowhere. null = no kind of text. */
export function pageText(bytes: Uint8Array, contentType: string, url: URL): PageText | null {
  const [type = ""] = contentType.toLowerCase().split(";");
  if (!isText(type.trim(), bytes)) return null;
  const source = decoded(bytes, contentType);
  const removed: Record<string, number> = {};
  const dropped = (what: string): void => void (removed[what] = (removed[what] ?? 0) + 1);
  const isHtml = type.includes("html") || (type.trim() === "" && /^\s*<(?:!doctype html|html)/i.test(source));
  if (!isHtml) return { text: inert(source, dropped), links: [], removed };
  const links: Link[] = [];
  let open: Link | null = null;
  const lines = htmlLines(source.replaceAll(block, "\n<"), {
    dropped,
    opened(name, { href = "" }) {
      if (name !== "a") return;
      const to = URL.parse(href.trim(), url.href);
      const isNew = to !== null && /^https?:$/.test(to.protocol) && !links.some((link) => link.url === to.href);
      open = isNew && links.length < limits.webLinks ? { text: "", url: to.href } : null;
      if (open !== null) links.push(open);
    },
    closed: (name) => void (open = name === "a" ? null : open),
    read(text) {
      if (open !== null && open.text.length < 100) open.text += text.replaceAll(/\s+/g, " ");
    },
  });
  const text = inert(lines.filter((line) => line !== "").join("\n"), dropped);
  return {
    text: text.trim(),
    links: links.map((link) => ({ ...link, text: link.text.trim().slice(0, 100) })),
    removed,
  };
}

function isText(type: string, bytes: Uint8Array): boolean {
  if (type === "") return !bytes.subarray(0, 1_024).includes(0);
  return /^text\/|[/+](?:json|xml|x-ndjson|yaml|x-yaml|javascript|html)$/.test(type);
}

function decoded(bytes: Uint8Array, contentType: string): string {
  const named = /charset\s*=\s*"?([\w-]{1,40})/i;
  const head = Buffer.from(bytes.subarray(0, 1_024)).toString("latin1");
  const charset = named.exec(contentType)?.[1] ?? named.exec(head)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes);
  }
}

/** Markdown whose images load nothing and whose links cannot be clicked. */
function inert(text: string, dropped: (what: string) => void): string {
  return text
    .replaceAll(/!\[([^[\]\n]{0,300})\](?:\([^()\n]{0,2000}\)|\[[^[\]\n]{0,300}\])/g, () => {
      dropped("markdown image");
      return "";
    })
    .replaceAll(/\[([^[\]\n]{0,300})\]\(([^()\s]{0,2000})(?:\s[^()\n]{0,300})?\)/g, (_, words: string, to: string) =>
      /^https?:/i.test(to) ? `${words} (${to})` : words,
    )
    .replaceAll(/<(https?:[^<>\s]{1,2000})>/gi, "$1");
}
