import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";

/** The OpenAPI document for people: one page without scripts, made of escaped text. */
export function docsPage(document: JsonObject): string {
  const operations = operationsOf(document);
  const tags = [...new Set(operations.map(({ tag }) => tag))];
  const schemas = Object.entries(member(member(document, "components"), "schemas"));
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<title>Pawl API</title><link rel="icon" href="/favicon.svg"><link rel="stylesheet" href="/docs.css"></head><body>`,
    `<header><h1>Pawl API</h1><p>The same as <a href="/openapi.json">openapi.json</a>. Send an API key as`,
    ` <code>authorization: Bearer pawl_…</code>. Refusals are problem documents with a stable <code>code</code>.</p></header>`,
    `<nav>${tags.map((tag) => `<a href="#${text(tag)}">${text(tag)}</a>`).join(" ")} <a href="#schemas">schemas</a></nav><main>`,
    ...tags.map(
      (tag) =>
        `<section id="${text(tag)}"><h2>${text(tag)}</h2>${operations
          .filter((one) => one.tag === tag)
          .map(operationHtml)
          .join("")}</section>`,
    ),
    `<section id="schemas"><h2>schemas</h2>`,
    ...schemas.map(
      ([name, schema]) =>
        `<details id="schema-${text(name)}"><summary>${text(name)}</summary>${json(schema)}</details>`,
    ),
    `</section></main></body></html>`,
  ].join("");
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly tag: string;
  readonly one: JsonObject;
}

function operationsOf(document: JsonObject): readonly Operation[] {
  return Object.entries(member(document, "paths")).flatMap(([path, methods]) =>
    Object.entries(isJsonObject(methods) ? methods : {}).flatMap(([method, one]) => {
      if (!isJsonObject(one)) return [];
      const tags = one["tags"];
      const tag: unknown = Array.isArray(tags) ? tags[0] : undefined;
      return [{ method: method.toUpperCase(), path, tag: typeof tag === "string" ? tag : "other", one }];
    }),
  );
}

function operationHtml({ method, path, one }: Operation): string {
  const parameters = one["parameters"];
  const body = one["requestBody"];
  const role = one["x-pawl-role"];
  return [
    `<details><summary><b>${text(method)}</b> <code>${text(path)}</code> ${text(one["summary"])}`,
    ` <small>${text(role)}</small></summary>`,
    typeof one["description"] === "string" ? `<p>${text(one["description"])}</p>` : "",
    Array.isArray(parameters) ? `<h4>parameters</h4>${json(parameters)}` : "",
    body === undefined ? "" : `<h4>body</h4>${json(body)}`,
    `<h4>answers</h4>${json(one["responses"])}</details>`,
  ].join("");
}

function member(value: JsonObject, name: string): JsonObject {
  const found = value[name];
  return isJsonObject(found) ? found : {};
}

function json(value: JsonValue | undefined): string {
  return `<pre>${text(JSON.stringify(value, null, 2))}</pre>`;
}

function text(value: JsonValue | undefined): string {
  return escaped(typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value));
}

/** Text as HTML shows it, in elements and quoted attributes. */
export function escaped(plain: string): string {
  return plain
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

export const docsStyle = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0 auto;max-width:60rem;padding:1rem}
nav{display:flex;flex-wrap:wrap;gap:.75rem;padding:.5rem 0;border-bottom:1px solid #8886}
details{border:1px solid #8884;border-radius:.4rem;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
summary b{display:inline-block;min-width:4.5rem}
small{float:right;opacity:.7}
pre{overflow:auto;max-height:24rem;background:#8881;padding:.6rem;border-radius:.3rem;font-size:.85rem}
h4{margin:.6rem 0 .2rem}
dt{opacity:.7;font-size:.85rem}
dd{margin:0 0 .5rem;overflow-wrap:anywhere}
form label{display:block;margin:.6rem 0}
input,textarea{display:block;box-sizing:border-box;width:100%;font:inherit;padding:.4rem}
button{font:inherit;padding:.5rem 1.2rem;margin-right:.5rem}
`;
