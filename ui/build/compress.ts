import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Files that compress well. */
const TEXT = /\.(css|html|js|json|svg|txt)$/;

/** Writes `file.br` and `file.gz` beside each text file; the gateway serves one of them by `Accept-Encoding`. */
export function compress(directory: string): Plugin {
  return {
    name: "octet:compress",
    apply: "build",
    enforce: "post",
    closeBundle() {
      for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
        if (!TEXT.test(name)) continue;
        const path = join(directory, name);
        const plain = readFileSync(path);
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
        writeFileSync(`${path}.br`, brotliCompressSync(plain, { params }));
        writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
      }
    },
  };
}
