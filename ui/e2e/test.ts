/** What every test has: the mesh, a page without a word in its console, and axe. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test as base, expect, type Page } from "@playwright/test";
import type { Mesh } from "./platform.ts";

export const mesh: Omit<Mesh, "end"> = JSON.parse(process.env.MESH ?? "{}");

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Fixtures {
  /** What the console may say, where a test makes something fail. */
  allowed: RegExp;
}

export const test = base.extend<Fixtures>({
  baseURL: mesh.url,
  allowed: [/^$/, { option: true }],
  page: async ({ page, allowed }, use) => {
    const said: string[] = [];
    page.on("console", (message) => {
      // The browser's own line for a 404, which is how Zipkin's API says that a trace has not arrived yet.
      const isOnItsWay =
        /\/zipkin\/api\/v2\/trace\/[0-9a-f]+$/.test(message.location().url) && /\b404\b/.test(message.text());
      if (!isOnItsWay) said.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => said.push(`thrown: ${error.message}`));
    await use(page);
    expect(said.filter((line) => !allowed.test(line))).toEqual([]);
  },
});

/** Has axe look, and finds nothing; and nothing sticks out of the page at its side. */
export async function expectSound(page: Page): Promise<void> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: { run: () => Promise<Result> } }).axe.run();
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
    );
    interface Result {
      violations: { id: string; nodes: { html: string }[] }[];
    }
  });
  expect(found).toEqual([]);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(beyond, "pixels beyond the window's side").toBeLessThanOrEqual(0);
}

/** Sends greetings without the page. */
export async function greet(times: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: times }, () => fetch(`${mesh.url}/api/greeting`)));
  const failed = answers.filter((answer) => !answer.ok).length;
  for (const answer of answers) await answer.text();
  return failed;
}

/** Holds back the answers to what matches, until what it returns is called. */
export async function hold(page: Page, matching: string): Promise<() => void> {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(matching, async (route) => {
    await held;
    await route.continue();
  });
  return release;
}

export { expect };
