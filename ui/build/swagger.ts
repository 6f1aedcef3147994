import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

/** The files that the gateway's `/docs` page loads, with their licence. */
const FILES = {
  "swagger-ui-bundle.js": "swagger-ui-bundle.js",
  "swagger-ui.css": "swagger-ui.css",
  LICENSE: "swagger-ui-license.txt",
  NOTICE: "swagger-ui-notice.txt",
};

/** Copies Swagger UI's files into `docs/` of the output; the application does not use them. */
export function swagger(): Plugin {
  return {
    name: "octet:swagger",
    apply: "build",
    generateBundle() {
      const require = createRequire(import.meta.url);
      const from = dirname(require.resolve("swagger-ui-dist/package.json"));
      for (const [file, name] of Object.entries(FILES)) {
        this.emitFile({ type: "asset", fileName: `docs/${name}`, source: readFileSync(join(from, file)) });
      }
    },
  };
}
