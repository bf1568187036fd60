import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

/** Where `./pawl up` listens, for `npm run console`: the page is served by Vite, every request goes to the real gateway. */
const gateway = loadEnv("", import.meta.dirname, "PAWL_")["PAWL_URL"] ?? "http://127.0.0.1:7295";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), tailwindcss()],
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
