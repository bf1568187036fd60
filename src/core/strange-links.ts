const LINKS_MAX = 32;
const LINK_CHARS = 300;

/** What a renderer takes for the start of an address: two slashes (either way round) after anything, `https:`, `www.`, `mailto:`. */
const start = /[\\/]{2,}|\b(?:https?|ftp|wss?):|\bwww\.|\bmailto:/gi;
const ends = /[\s<>"'`()[\]{}|,]/;
/** Of an HTML entity that Markdown would decode inside of a link. */
const entity = /&(?:#x0{0,6}([0-9a-f]{1,4})|#0{0,6}(\d{1,5})|(sol|bsol|colon|period|commat));?/gi;
const named: { readonly [name: string]: string } = { sol: "/", bsol: "\\", colon: ":", period: ".", commat: "@" };

/** Addresses that a text leads to, linked, shown as an image or bare, and their hosts. Linear in the text. */
export function linksIn(text: string): readonly { readonly link: string; readonly host: string }[] {
  const plain = text.replaceAll(entity, (_whole, hex?: string, decimal?: string, name?: string) =>
    name === undefined
      ? String.fromCharCode(Number.parseInt(hex ?? decimal ?? "0", hex === undefined ? 10 : 16))
      : (named[name.toLowerCase()] ?? ""),
  );
  const found = new Map<string, { readonly link: string; readonly host: string }>();
  let after = 0;
  for (const match of plain.matchAll(start)) {
    if (match.index < after) continue;
    const rest = plain.slice(match.index + match[0].length, match.index + match[0].length + LINK_CHARS);
    const cut = rest.search(ends);
    const tail = cut < 0 ? rest : rest.slice(0, cut);
    const host = hostOf(match[0], tail);
    if (host === null) continue;
    after = match.index + match[0].length + tail.length;
    found.set(`${host} ${tail}`, { link: `${match[0]}${tail}`.toWellFormed(), host });
  }
  return [...found.values()];
}

/** Links of a text to hosts that are not named: an image of one tells its owner whatever its address carries. */
export function strangeLinksIn(text: string, isNamed: (host: string) => boolean): readonly string[] {
  const strange = linksIn(text).filter(({ host }) => !isNamed(host));
  return strange.slice(0, LINKS_MAX).map(({ link }) => link);
}

function hostOf(prefix: string, tail: string): string | null {
  const isMail = prefix.toLowerCase() === "mailto:";
  const bare = isMail ? tail.slice(tail.indexOf("@") + 1) : tail.replace(/^[\\/]+/, "");
  const address = `https://${bare.split(/[\\/?#]/, 1)[0] ?? ""}`;
  if (!URL.canParse(address)) return null;
  const host = new URL(address).hostname.replace(/^www\./, "").replace(/\.$/, "");
  return host.includes(".") || host.startsWith("[") || host === "localhost" ? host : null;
}
