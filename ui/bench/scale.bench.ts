/** Time to open large data sets, and frame times while they scroll. */

import { test as base, type Page } from "@playwright/test";
import { mesh as platform } from "../e2e/test.ts";
import { mesh, topology, trace } from "./scale.ts";

const test = base.extend({ baseURL: platform.url });

interface Row {
  what: string;
  open: number;
  frames: number[];
}

const rows: Row[] = [];

/** Milliseconds until an element is on the screen. */
async function opened(page: Page, path: string, selector: string): Promise<number> {
  await page.goto("/#/greeting");
  await page.locator(".address").waitFor();
  return page.evaluate(
    ({ path, selector }) =>
      new Promise<number>((resolve) => {
        const started = performance.now();
        const check = () => {
          if (!document.querySelector(selector)) return requestAnimationFrame(check);
          // The next frame shows the element.
          return requestAnimationFrame(() => resolve(performance.now() - started));
        };
        location.hash = path;
        check();
      }),
    { path, selector },
  );
}

/** Milliseconds between frames while an element, or the page, is scrolled up and down for two seconds. */
function scrolled(page: Page, selector: string): Promise<number[]> {
  return page.evaluate(
    (selector) =>
      new Promise<number[]>((resolve) => {
        const element = document.querySelector(selector) ?? document.documentElement;
        const max = element.scrollHeight - element.clientHeight;
        const frames: number[] = [];
        const started = performance.now();
        let before = started;
        const step = (now: number) => {
          frames.push(now - before);
          before = now;
          const share = (now - started) / 2_000;
          element.scrollTop = max * Math.abs(Math.sin(share * Math.PI * 2));
          if (share < 1) requestAnimationFrame(step);
          else resolve(frames.slice(1));
        };
        requestAnimationFrame(step);
      }),
    selector,
  );
}

test("500 traces of 30 spans", async ({ page }) => {
  const traces = Array.from({ length: 500 }, (_, index) => trace(index, 30, 3));
  await page.route("**/zipkin/api/v2/traces?*", (route) => route.fulfill({ json: traces }));
  const open = await opened(page, "#/traces?limit=500", ".trace-list li");
  rows.push({ what: "list of 500 traces of 30 spans", open, frames: await scrolled(page, "html") });
});

test("a trace of 5,000 spans", async ({ page }) => {
  const spans = trace(1, 5_000, 4);
  await page.route("**/zipkin/api/v2/trace/*", (route) => route.fulfill({ json: spans }));
  const open = await opened(page, `#/trace/${"0".repeat(31)}2`, ".row");
  rows.push({ what: "waterfall of 5,000 spans, scrolled", open, frames: await scrolled(page, ".rows") });
  await page.locator(".rows").focus();
  const walked = await page.evaluate(async () => {
    const tree = document.querySelector(".rows");
    const frames: number[] = [];
    for (let step = 0; step < 60; step += 1) {
      const started = performance.now();
      tree?.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(resolve));
      frames.push(performance.now() - started);
    }
    return frames;
  });
  rows.push({ what: "waterfall of 5,000 spans, one key per row", open, frames: walked });
});

test("a mesh of 64 services", async ({ page }) => {
  let turn = 0;
  await page.route("**/api/topology", (route) => route.fulfill({ json: topology(64) }));
  await page.route("**/api/mesh?*", (route) => {
    turn += 1;
    return route.fulfill({ json: mesh(64, turn) });
  });
  const open = await opened(page, "#/mesh?zoom=1", ".edge:not(.idle)");
  rows.push({ what: "mesh of 64 services, scrolled", open, frames: await scrolled(page, ".canvas") });
});

test.afterAll(() => {
  const at = (frames: number[], share: number) =>
    [...frames].sort((a, b) => a - b)[Math.ceil(frames.length * share) - 1] ?? 0;
  const lines = rows.map(({ what, open, frames }) =>
    [what, open, at(frames, 0.5), at(frames, 0.95), at(frames, 1)]
      .map((cell) => (typeof cell === "number" ? cell.toFixed(0) : cell))
      .join(" | "),
  );
  console.log(
    [
      "",
      "| what | open ms | frame p50 ms | p95 | longest |",
      "|---|--:|--:|--:|--:|",
      ...lines.map((line) => `| ${line} |`),
    ].join("\n"),
  );
});
