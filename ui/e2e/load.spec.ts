import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { duration } from "../src/model/format.ts";
import { expect, mesh, test } from "./test.ts";

/** Requests per second; empty for no limit. */
const RATE = process.env.LOAD_RATE ?? "40";
const SECONDS = process.env.LOAD_SECONDS ?? "6";

/** Milliseconds by which the browser rounds the two ends of a resource timing. */
const RESOLUTION_MS = 0.5;

// Recording screenshots and requests would compete with the load for the processors.
test.use({ trace: "off" });

interface Exported {
  elapsed: number;
  samples: { at: number; waited?: number; took: number; status: string; traceId?: string }[];
}

interface GatewaySpan {
  traceId: string;
  name: string;
  kind: string;
  duration: number;
}

/** A request of the run in the browser's own resource timings, in milliseconds. */
interface Timing {
  waited: number;
  took: number;
}

/** Keeps the browser's resource timings of a whole run; the default is 250. */
async function keepTimings(page: Page): Promise<void> {
  await page.addInitScript(() => performance.setResourceTimingBufferSize(10_000));
}

function timings(page: Page): Promise<Timing[]> {
  return page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter((entry) => entry instanceof PerformanceResourceTiming && entry.name.includes("?load="))
      .map((entry) => {
        const { startTime, requestStart, responseStart } = entry as PerformanceResourceTiming;
        return { waited: requestStart - startTime, took: responseStart - requestStart };
      }),
  );
}

/** The gateway's durations in milliseconds of the requests with these trace ids, by trace id. */
async function gatewayDurations(traceIds: ReadonlySet<string>): Promise<Map<string, number>> {
  const query = `serviceName=gateway&spanName=${encodeURIComponent("get /api/greeting")}&limit=10000&lookback=300000`;
  const traces: GatewaySpan[][] = await (await fetch(`${mesh.collector}/api/v2/traces?${query}`)).json();
  const spans = traces.flat().filter(({ kind, name, traceId }) => {
    return kind === "SERVER" && name === "get /api/greeting" && traceIds.has(traceId);
  });
  return new Map(spans.map(({ traceId, duration }) => [traceId, duration / 1000]));
}

async function exported(page: Page): Promise<Exported> {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export JSON" }).click();
  return JSON.parse(readFileSync(await (await download).path(), "utf8"));
}

/** The percentile by the nearest-rank method, computed here and not with the page's code. */
function nearestRank(values: number[], share: number): number {
  const ascending = [...values].sort((one, other) => one - other);
  return ascending[Math.max(Math.ceil(share * ascending.length), 1) - 1] ?? Number.NaN;
}

/** The texts of a row of the percentile table: duration, and wait for a connection. */
async function row(page: Page, name: string): Promise<string[]> {
  const cells = page.getByRole("row", { name: new RegExp(`^${name} `) }).locator("td");
  return cells.allTextContents();
}

// Durations of two processes differ under load, so percentiles are compared within one clock: the page's with the
// browser's timings of the same requests. Between the clocks only what always holds is compared: both count the same
// requests, and the gateway's duration of a request is part of the page's.
test("25 users: counts and durations agree with the browser's timings and the gateway's spans", async ({
  page,
}) => {
  await keepTimings(page);
  await page.goto(`/#/load?users=25&seconds=${SECONDS}&rate=${RATE}`);
  await expect(page.locator(".note")).toContainText("about six HTTP/1.1 connections");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
  await expect(page.getByText(/^Done: /)).toBeVisible({ timeout: 30_000 });
  await expect(page.locator(".warning")).toHaveCount(0);
  await expect(page.locator(".chart-svg")).toHaveCount(2);

  const { samples } = await exported(page);
  const progress = await page.getByText(/^Done: /).textContent();
  const count = Number(/([\d,]+) requests/.exec(progress ?? "")?.[1]?.replaceAll(",", ""));
  expect(samples).toHaveLength(count);

  const browser = await timings(page);
  expect(browser).toHaveLength(count);
  for (const [name, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const) {
    const of = (key: keyof Timing) =>
      nearestRank(
        browser.map((timing) => timing[key]),
        share,
      );
    expect(await row(page, name), name).toEqual([duration(of("took")), duration(of("waited"))]);
  }

  const traceIds = new Set(samples.map(({ traceId }) => traceId ?? "none"));
  expect(traceIds.size, "each request has a trace of its own").toBe(count);
  await expect.poll(async () => (await gatewayDurations(traceIds)).size, { timeout: 30_000 }).toBe(count);
  const gateway = await gatewayDurations(traceIds);
  const shorter = samples.filter(({ traceId, took }) => {
    return (gateway.get(traceId ?? "") ?? Number.NaN) > took + RESOLUTION_MS;
  });
  expect(shorter, "requests that the page measured as shorter than the gateway did").toEqual([]);
});

test("a stopped run keeps its results, and its slowest requests link to their traces", async ({ page }) => {
  await page.goto("/#/load?users=3&seconds=&requests=5000&rate=40");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText(/^Running: [1-9]\d* requests?/)).toBeVisible();
  await page.getByRole("link", { name: "Mesh" }).click();
  await page.getByRole("link", { name: "Load" }).click();
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText(/^Stopped: /)).toBeVisible();
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export CSV" }).click();
  expect((await saved).suggestedFilename()).toBe("octet-load.csv");
  await page.locator("table a").first().click();
  await expect(page.getByRole("treeitem").first()).toBeVisible();
});

test("the rate covers the whole run, including its end without requests", async ({ page }) => {
  await page.goto("/#/load?users=2&rate=1&seconds=3");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText(/^Done: 3 requests in /)).toBeVisible();
  const { elapsed } = await exported(page);
  // A browser's timers may be a millisecond early.
  expect(elapsed).toBeGreaterThanOrEqual(2_990);
  await expect(page.locator(".big").first()).toContainText((3_000 / elapsed).toFixed(1));
});

// 60 users share about six connections, so that most of a request's time is the wait for one. Many more would wait until
// the page's timeout of 15 s on a busy machine.
test("the wait for a connection is part of the run and its rate, and not of the durations", async ({
  page,
}) => {
  await keepTimings(page);
  await page.goto("/#/load?users=60&seconds=&requests=60");
  const before = Date.now();
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText(/^Done: 60/)).toBeVisible({ timeout: 30_000 });
  const { elapsed, samples } = await exported(page);
  expect(elapsed).toBeLessThan(Date.now() - before);
  expect(samples.filter(({ status }) => status !== "200")).toEqual([]);

  const ends = samples.map(({ at, waited = Number.NaN, took }) => at + waited + took);
  expect(elapsed).toBeGreaterThanOrEqual(Math.max(...ends));
  const rate = Number(await page.locator(".big strong").first().textContent());
  expect(Math.abs(rate - 60_000 / elapsed)).toBeLessThanOrEqual(1);

  const browser = await timings(page);
  expect(browser).toHaveLength(60);
  const of = (key: keyof Timing) =>
    nearestRank(
      browser.map((timing) => timing[key]),
      0.5,
    );
  expect(await row(page, "p50")).toEqual([duration(of("took")), duration(of("waited"))]);
  expect(of("waited"), "half of the requests waited longer than a request takes").toBeGreaterThan(of("took"));
});

test("timings that the browser delivers late are part of the results", async ({ page }) => {
  await page.addInitScript(() => {
    const Observer = window.PerformanceObserver;
    window.PerformanceObserver = class extends Observer {
      constructor(callback: PerformanceObserverCallback) {
        super((entries, observer) => setTimeout(() => callback(entries, observer), 700));
      }
    } as typeof PerformanceObserver;
  });
  await page.goto("/#/load?users=2&seconds=&requests=10");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText(/^Done: 10/)).toBeVisible();
  await expect(page.locator(".warning")).toHaveCount(0);
  const { samples } = await exported(page);
  expect(samples.filter(({ waited }) => waited === undefined)).toEqual([]);
});

test("an invalid plan is reported", async ({ page }) => {
  await page.goto("/#/load?users=0&seconds=");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("alert")).toContainText("Users must be a whole number from 1 to 250.");
});
