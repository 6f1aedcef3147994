/** Blocks of ports that no other test gets, in this process or another. */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ports that `octet up --base-port` uses. */
const BLOCK = 160;

/** Below the ports of outgoing connections. The blocks, and their locks, are those of the Rust tests. */
const FIRST = 11_000;
const END = 32_600;

export interface PortBlock {
  base: number;
  release: () => void;
}

/** Takes a block whose ports are free. It is this process's own until it is released, or this process ends. */
export async function takeBlock(): Promise<PortBlock> {
  const count = Math.floor((END - FIRST) / BLOCK);
  const start = Math.floor(Math.random() * count);
  for (let index = 0; index < count; index += 1) {
    const base = FIRST + ((start + index) % count) * BLOCK;
    const holder = await lock(join(tmpdir(), `octet-ports-${base}.lock`));
    if (holder === undefined) continue;
    const release = () => void holder.stdin?.end();
    const ports = Array.from({ length: BLOCK }, (_, offset) => base + offset);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return { base, release };
    release();
  }
  throw new Error(`no block of ${BLOCK} free ports between ${FIRST} and ${END}`);
}

/** A process that holds the lock until its input is closed; undefined if another process has the lock. */
function lock(path: string): Promise<ChildProcess | undefined> {
  const holder = spawn("flock", ["--nonblock", path, "sh", "-c", "echo locked; read -r _"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  return new Promise((resolve, reject) => {
    holder.once("error", reject);
    holder.once("exit", () => resolve(undefined));
    holder.stdout?.once("data", () => resolve(holder));
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
