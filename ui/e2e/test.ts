/** Fixtures of every test: the mesh, and a page whose console must stay empty. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test as base, expect, type Page } from "@playwright/test";
import type { Mesh } from "./platform.ts";

export const mesh: Omit<Mesh, "stop"> = JSON.parse(process.env.MESH ?? "{}");

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Fixtures {
  /** Console messages that a test expects. */
  allowed: RegExp;
}

export const test = base.extend<Fixtures>({
  baseURL: mesh.url,
  allowed: [/^$/, { option: true }],
  page: async ({ page, allowed }, use) => {
    const messages: string[] = [];
    page.on("console", (message) => messages.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => messages.push(`thrown: ${error.message}`));
    await use(page);
    // The page refreshes by itself: a route may be at work when the test ends.
    await page.unrouteAll({ behavior: "ignoreErrors" });
    expect(messages.filter((line) => !allowed.test(line))).toEqual([]);
  },
});

/** Expects no axe violation, and no content beyond the side of the window. */
export async function expectAccessible(page: Page): Promise<void> {
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
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(overflow, "pixels beyond the side of the window").toBeLessThanOrEqual(0);
}

/** Sends greetings without the page, and returns how many failed. */
export async function greet(times: number, url = mesh.url): Promise<number> {
  const responses = await Promise.all(Array.from({ length: times }, () => fetch(`${url}/api/greeting`)));
  const failed = responses.filter((response) => !response.ok).length;
  for (const response of responses) await response.text();
  return failed;
}

/** Holds the matching requests until the returned function is called. */
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
