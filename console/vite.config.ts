import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig, loadEnv, type Plugin } from "vite";

/** Where `./pawl up` listens, for `npm run console`: the page is served by Vite, every request goes to the real gateway. */
const gateway = loadEnv("", import.meta.dirname, "PAWL_")["PAWL_URL"] ?? "http://127.0.0.1:7295";

/** Beside each text of the build itself in Brotli and gzip: the gateway serves these as they are. */
const compressed: Plugin = {
  name: "pawl-compressed",
  apply: "build",
  writeBundle({ dir = "" }) {
    for (const name of globSync("**/*.{html,js,css,svg,json}", { cwd: dir })) {
      const bytes = readFileSync(join(dir, name));
      writeFileSync(join(dir, `${name}.br`), brotliCompressSync(bytes));
      writeFileSync(join(dir, `${name}.gz`), gzipSync(bytes));
    }
  },
};

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), tailwindcss(), compressed],
  resolve: { conditions: ["pawl-source", "module", "browser", "development|production"] },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2024",
    cssTarget: ["chrome125", "firefox128", "safari18"],
    // nothing becomes a data: URL, so that the server's CSP can say 'self' and no more
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { host: "127.0.0.1", proxy: { "/api": gateway } },
});
