/** Starts a mesh for the tests, with its own ports and data directory. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeBlock } from "./ports";

/** Milliseconds. On a busy machine a debug build takes several seconds to start. */
const TIMEOUT_MS = 60_000;

export interface Mesh {
  url: string;
  /** The collector's own address. */
  collector: string;
  /** The entry service's, as `host:port`. */
  entry: string;
  directory: string;
  stop: () => Promise<void>;
}

export function program(): string {
  const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
  const octet = process.env.OCTET_BIN ?? join(target, "debug", "octet");
  if (!existsSync(octet)) throw new Error(`${octet} does not exist: run \`make test-ui\`, which builds it`);
  return octet;
}

export async function startMesh(variables: Record<string, string> = {}): Promise<Mesh> {
  const directory = mkdtempSync(join(tmpdir(), "octet-ui-"));
  const { base, release } = await takeBlock();
  const args = ["up", "--base-port", String(base), "--data", directory];
  const child = spawn(program(), args, { env: environment(variables), stdio: ["ignore", "pipe", "inherit"] });
  await output(child, /octet is up/);
  return {
    url: `http://127.0.0.1:${base}`,
    collector: `http://127.0.0.1:${base + 2}`,
    entry: `127.0.0.1:${base + 10}`,
    directory,
    stop: async () => {
      await stop(child);
      release();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Starts one more gateway, with these environment variables. */
export async function startGateway(mesh: { entry: string }, variables: Record<string, string>) {
  const { base, release } = await takeBlock();
  const defaults = {
    SERVICE_A_URL: mesh.entry,
    PORT: `127.0.0.1:${base}`,
    ADMIN_PORT: `127.0.0.1:${base + 1}`,
    ...variables,
  };
  const child = spawn(program(), ["gateway"], {
    env: environment(defaults),
    stdio: ["ignore", "pipe", "inherit"],
  });
  await output(child, /serving|listening/i);
  return { url: `http://127.0.0.1:${base}`, stop: () => stop(child).then(release) };
}

/** The process id in the PID file of `octet up`. */
export function pidOf(directory: string, service: string): number {
  return Number(readFileSync(join(directory, "run", `${service}.pid`), "utf8"));
}

/** Without the settings of this machine. */
function environment(more: Record<string, string>): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, ...more };
}

function output(child: ChildProcess, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`not ready in time; its output:\n${text}`)), TIMEOUT_MS);
    child.stdout?.on("data", (part: Buffer) => {
      text = (text + part.toString()).slice(-10_000);
      if (!expected.test(text)) return;
      clearTimeout(timer);
      resolve();
    });
    child.once("exit", (code) => reject(new Error(`exited with ${code}; its output:\n${text}`)));
  });
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}
