/** Starts the mesh for all tests, and stops it after them. */

import { existsSync } from "node:fs";
import { CHROMIUM } from "./chromium.ts";
import { startMesh } from "./platform.ts";

export default async function setup(): Promise<() => Promise<void>> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(
      `${CHROMIUM} does not exist: run \`make tools\` as root, or apt-get install chromium fonts-noto-core fonts-noto-cjk`,
    );
  }
  const mesh = await startMesh();
  process.env.MESH = JSON.stringify({ ...mesh, stop: undefined });
  return mesh.stop;
}
