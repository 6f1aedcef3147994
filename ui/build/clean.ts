import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

/** Empties the output directory except for its `.gitignore`, which keeps the directory in the repository. */
export function clean(directory: string): Plugin {
  return {
    name: "octet:clean",
    apply: "build",
    buildStart() {
      for (const name of readdirSync(directory)) {
        if (name !== ".gitignore") rmSync(join(directory, name), { recursive: true });
      }
    },
  };
}
