import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { clean } from "./build/clean.ts";
import { compress } from "./build/compress.ts";
import { swagger } from "./build/swagger.ts";

const dist = fileURLToPath(new URL("dist", import.meta.url));

/** The gateway to which `npm run dev` proxies requests. */
const gateway = process.env.OCTET_URL ?? "http://localhost:8080";

/** The parts that are loaded when they are opened: of no use without the gateway. */
const LATER = /(faults|compare(-view)?|scenarios(-view)?|views.scenarios.timeline)\.(tsx?|css)$/;

export default defineConfig({
  // Relative, so that the page also works below a path of a proxy, such as /octet/.
  base: "./",
  plugins: [clean(dist), swagger(), compress(dist)],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: dist,
    // The plugin `clean` does it, and keeps `.gitignore`.
    emptyOutDir: false,
    target: "es2022",
    modulePreload: { polyfill: false },
    // Inlined files would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // One file, and one for each part that is loaded later: another one for what they use together would be larger.
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: "page", test: (id: string) => !LATER.test(id) }] },
      },
    },
  },
  test: { include: ["src/**/*.test.ts"] },
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(["/api", "/zipkin", "/ui-config.json"].map((path) => [path, gateway])),
  },
});
