import { readFileSync } from "node:fs";
import { percentile, sorted } from "../src/model/percentiles.ts";
import { expect, mesh, test } from "./test.ts";

/** Requests a second; empty is as fast as they are answered. */
const RATE = process.env.LOAD_RATE ?? "40";
const SECONDS = process.env.LOAD_SECONDS ?? "6";

// A busy machine is no fault of the page's; a figure that is wrong would be wrong each time.
test.describe.configure({ retries: 2 });

// Recording screenshots and requests would take the processors from the users.
test.use({ trace: "off" });

interface Timed {
  at: number;
  waited?: number;
  took: number;
}

interface Seen {
  name: string;
  kind: string;
  timestamp: number;
  duration: number;
  tags: Record<string, string>;
}

/** What the gateway recorded of its own requests since a moment, in milliseconds. */
async function recorded(since: number): Promise<number[]> {
  const query = `serviceName=gateway&spanName=${encodeURIComponent("get /api/greeting")}&limit=10000&lookback=120000`;
  const traces: Seen[][] = await (await fetch(`${mesh.collector}/api/v2/traces?${query}`)).json();
  const servers = traces.flat().filter((span) => span.kind === "SERVER" && span.name === "get /api/greeting");
  return sorted(servers.filter((span) => span.timestamp / 1000 >= since).map((span) => span.duration / 1000));
}

test("25 users for a while: p50 and p99 are the gateway's own, and the browser's limit is told", async ({
  page,
}) => {
  await page.goto(`/#/load?users=25&seconds=${SECONDS}&rate=${RATE}`);
  await expect(page.locator(".note")).toContainText("about six HTTP/1.1 connections");
  const since = Date.now();
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
  await expect(page.getByText(/^Done: /)).toBeVisible({ timeout: 25_000 });
  await expect(page.locator(".warning")).toHaveCount(0);
  await expect(page.locator(".chart-svg")).toHaveCount(2);

  const cell = async (rank: string) => {
    const text = await page
      .getByRole("row", { name: new RegExp(`^${rank} `) })
      .locator("td")
      .first()
      .textContent();
    const [value = "", unit = ""] = (text ?? "").split(" ");
    return Number(value) * ({ µs: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN);
  };
  const told = await page.getByText(/^Done: /).textContent();
  const sent = Number(/([\d,]+) requests/.exec(told ?? "")?.[1]?.replaceAll(",", ""));
  await expect.poll(async () => (await recorded(since)).length, { timeout: 15_000 }).toBe(sent);
  const own = await recorded(since);
  for (const [rank, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const) {
    const theirs = percentile(own, share) ?? Number.NaN;
    const ours = await cell(rank);
    console.info(
      `load ${rank}: the page ${ours} ms, the gateway ${theirs.toFixed(1)} ms, of ${sent} requests`,
    );
    expect(
      Math.abs(ours - theirs),
      `${rank}: the page says ${ours} ms, the gateway ${theirs} ms`,
    ).toBeLessThanOrEqual(Math.max(5, theirs * 0.2));
  }
});

test("a run is stopped, keeps what it has, and its slowest lead to their traces", async ({ page }) => {
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

test("a rate is one of the whole run, the wait for a connection and the pause at its end included", async ({
  page,
}) => {
  await page.goto("/#/load?users=2&rate=1&seconds=3");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText(/^Done: 3 requests in 3\.\d s/)).toBeVisible();
  await expect(page.locator(".big").first()).toContainText("1.0");

  await page.goto("/#/load?users=250&seconds=&requests=250");
  const begun = Date.now();
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText(/^Done: 250/)).toBeVisible();
  // What the page says is at most what went by, and not the few milliseconds that each took on the wire.
  const rate = Number(await page.locator(".big strong").first().textContent());
  const told = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export JSON" }).click();
  const { elapsed, samples } = JSON.parse(readFileSync(await (await told).path(), "utf8"));
  expect(elapsed).toBeLessThan(Date.now() - begun);
  const ends = samples.map(({ at, waited, took }: Timed) => at + (waited ?? 0) + took);
  expect(elapsed).toBeGreaterThanOrEqual(Math.max(...ends));
  expect(Math.abs(rate - 250_000 / elapsed)).toBeLessThanOrEqual(1);
});

test("a plan that cannot be says what is wrong with it", async ({ page }) => {
  await page.goto("/#/load?users=0&seconds=");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("alert")).toContainText("The users must be a whole number from 1 to 250.");
});
