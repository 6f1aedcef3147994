import { readFileSync } from "node:fs";
import type { Browser, Page } from "@playwright/test";
import { duration } from "../src/model/format.ts";
import { pidOf, startGateway } from "./platform.ts";
import { expect, mesh, test } from "./test.ts";

const SECONDS = process.env.LOAD_SECONDS ?? "6";

// Recording screenshots and requests would compete with the load for the processors.
test.use({ trace: "off" });

// One run at a time in the whole mesh: no test leaves one behind.
test.afterEach(async () => {
  await fetch(`${mesh.url}/api/load`, { method: "DELETE" });
  await expect
    .poll(async () => ["running", "stopping"].includes((await gatewayRun())?.state ?? ""))
    .toBe(false);
});

interface GatewayRun {
  state: string;
  report: {
    requests: number;
    outcomes: Record<string, number>;
    success_latency: { p50_ms: number; p99_ms: number };
    seconds: { requests: number; p99_ms: number | null }[];
  } | null;
}

async function gatewayRun(): Promise<GatewayRun | null> {
  return (await (await fetch(`${mesh.url}/api/load`)).json()).run;
}

async function exported(page: Page): Promise<Record<string, never>> {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export JSON" }).click();
  return JSON.parse(readFileSync(await (await download).path(), "utf8"));
}

/** The cells of a row of the table of durations. */
async function row(page: Page, name: string): Promise<string[]> {
  return page
    .getByRole("row", { name: new RegExp(`^${name} `) })
    .locator("td")
    .allTextContents();
}

async function startRun(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByText(/^Running: [1-9][\d,]* requests?/)).toBeVisible({ timeout: 30_000 });
}

test("25 users on the gateway's host: counts and percentiles are those of octet load", async ({ page }) => {
  await page.goto(`/#/load?users=25&seconds=${SECONDS}`);
  await expect(page.locator(".note")).toContainText("timeout after 15 s");
  await startRun(page);
  await expect(page.getByText(/^Done: /)).toBeVisible({ timeout: 60_000 });
  const report = (await gatewayRun())?.report;
  if (!report) throw new Error("no report");
  await expect(page.getByText(`Done: ${report.requests.toLocaleString("en")} requests`)).toBeVisible();
  expect(await row(page, "p50")).toContain(duration(report.success_latency.p50_ms));
  expect(await row(page, "p99")).toContain(duration(report.success_latency.p99_ms));
  await expect(page.locator(".chart-svg")).toHaveCount(3);
  expect(await exported(page)).toEqual(report);
});

test("a run survives a change of the tab, a reload and another browser, which sees and stops it", async ({
  page,
  browser,
}) => {
  await page.goto("/#/load?users=3&seconds=300&rate=40");
  await startRun(page);
  await page.getByRole("link", { name: "Mesh" }).click();
  await page.getByRole("link", { name: "Load" }).click();
  await expect(page.getByText(/^Running: [1-9]/)).toBeVisible();
  await page.reload();
  await expect(page.getByText(/^Running: [1-9]/)).toBeVisible();

  const other = await secondPage(browser);
  await expect(other.getByText(/^Running: [1-9].*, 3 users, limit 40\/s/)).toBeVisible();
  await expect(other.getByRole("button", { name: "Start" })).toHaveCount(0);
  await other.getByRole("button", { name: "Stop" }).click();
  for (const one of [other, page]) await expect(one.getByText(/^Stopped: /)).toBeVisible();

  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export CSV" }).click();
  expect((await saved).suggestedFilename()).toBe("octet-load.csv");
  await page.locator("table a").first().click();
  await expect(page.getByRole("treeitem").first()).toBeVisible();
  await other.context().close();
});

async function secondPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext({ baseURL: mesh.url });
  const page = await context.newPage();
  await page.goto("/#/load");
  return page;
}

test.describe("of a refused start", () => {
  test.use({ allowed: /status of 409/ });
  test("the reason is shown, and another page's run", async ({ page }) => {
    await page.goto("/#/load?users=1&seconds=60&rate=5");
    await expect(page.getByRole("button", { name: "Start" })).toBeEnabled();
    const busy = JSON.stringify({
      code: 6,
      message: "a load is running; stop it, or wait for its end",
      details: [],
    });
    await page.route("**/api/load", (route) =>
      route.request().method() === "POST"
        ? route.fulfill({ status: 409, contentType: "application/json", body: busy })
        : route.continue(),
    );
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.locator(".failure")).toContainText("a load is running");
  });
});

// The mesh is at the machine's peak meanwhile, and other tests may share the machine. With a load in the tab itself there was
// no refresh at all.
test.describe("at the machine's peak", () => {
  test.use({ allowed: /status of 50[34]/ });

  test("while 250 users run, Mesh refreshes", async ({ page }) => {
    await page.goto("/#/load?users=250&seconds=120");
    await startRun(page);
    const answered: number[] = [];
    page.on("response", (response) => {
      if (response.url().includes("/api/mesh") && response.ok()) answered.push(Date.now());
    });
    await page.getByRole("link", { name: "Mesh" }).click();
    await expect.poll(() => answered.length, { timeout: 90_000 }).toBeGreaterThanOrEqual(6);
    expect((await gatewayRun())?.state).toBe("running");
    const gaps = answered.slice(1).map((at, index) => at - (answered[index] ?? at));
    expect(Math.max(...gaps), `milliseconds between two refreshes: ${gaps}`).toBeLessThanOrEqual(6_000);
  });
});

test("an outage is drawn with a gap, and its failed requests link to their traces", async ({ page }) => {
  await page.goto("/#/load?users=5&seconds=60");
  await startRun(page);
  const frozen = pidOf(mesh.directory, "service-g");
  process.kill(frozen, "SIGSTOP");
  try {
    // Every user waits for the deadline of 5 s: nothing is answered meanwhile.
    await expect
      .poll(async () => (await gatewayRun())?.report?.seconds.some((second) => second.requests === 0), {
        timeout: 60_000,
      })
      .toBe(true);
    await expect.poll(async () => (await gatewayRun())?.report?.outcomes["HTTP 504"] ?? 0).toBeGreaterThan(0);
  } finally {
    process.kill(frozen, "SIGCONT");
  }
  const before = (await gatewayRun())?.report?.outcomes["HTTP 200"] ?? 0;
  await expect
    .poll(async () => (await gatewayRun())?.report?.outcomes["HTTP 200"] ?? 0)
    .toBeGreaterThan(before + 20);
  await page.waitForTimeout(2_000);
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText(/^Stopped: /)).toBeVisible({ timeout: 30_000 });

  // Before and after the gap the line has parts of its own, or points where a part is one second.
  const parts = page.locator(".chart-svg .p99");
  expect(await parts.count()).toBeGreaterThanOrEqual(2);
  const seconds = (await gatewayRun())?.report?.seconds ?? [];
  const answered = seconds.filter((second) => second.p99_ms !== null).length;
  const drawn = await parts.evaluateAll((elements) =>
    elements.map((element) => element.getAttribute("points")?.split(" ").length ?? 1),
  );
  expect(drawn.reduce((sum, points) => sum + points, 0)).toBe(answered);
  expect(answered).toBeLessThan(seconds.length);
  expect(await page.locator(".column.failed[height]:not([height='0'])").count()).toBeGreaterThan(0);
  await expect(page.getByRole("row", { name: /HTTP 504/ }).first()).toBeVisible();
  const failed = page.getByRole("region", { name: "Failed requests" });
  await failed.getByRole("link").first().click();
  await expect(page.getByRole("treeitem").first()).toBeVisible();
});

test("a gateway that restarts loses the run, and the page says so", async ({ page }) => {
  await page.goto("/#/load?users=1&seconds=60&rate=5");
  await startRun(page);
  // As a restarted gateway answers; that of all tests keeps running.
  await page.route("**/api/load", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), run: null } });
  });
  await expect(page.getByText("The gateway was restarted, and the run ended with it.")).toBeVisible();
  await expect(page.getByText(/^Failed: [1-9]/)).toBeVisible();
});

test("an invalid plan is reported", async ({ page }) => {
  await page.goto("/#/load?users=0&seconds=");
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("alert")).toContainText("Users must be a whole number from 1 to 1,000.");
});

test.describe("on a gateway that runs no loads", () => {
  let gateway: { url: string; stop: () => Promise<void> };

  test.beforeAll(async () => {
    gateway = await startGateway(mesh, {
      TRACE_QUERY_URL: mesh.collector,
      OTEL_TRACES_EXPORTER: "zipkin",
      OTEL_EXPORTER_ZIPKIN_ENDPOINT: `${mesh.collector}/api/v2/spans`,
    });
  });
  test.afterAll(() => gateway.stop());

  /** A request of the run in the browser's own resource timings, in milliseconds. */
  interface Timing {
    waited: number;
    took: number;
  }

  interface Exported {
    elapsed: number;
    samples: { at: number; waited?: number; took: number; status: string }[];
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

  /** The percentile by the nearest-rank method, computed here and not with the page's code. */
  function nearestRank(values: number[], share: number): number {
    const ascending = [...values].sort((one, other) => one - other);
    return ascending[Math.max(Math.ceil(share * ascending.length), 1) - 1] ?? Number.NaN;
  }

  // Both are timings of the same requests by the same browser: nothing between them can drift.
  test("the page sends the requests itself, from at most 4 users, and agrees with the browser's timings", async ({
    page,
  }) => {
    await page.addInitScript(() => performance.setResourceTimingBufferSize(10_000));
    await page.goto(`${gateway.url}/#/load?users=25&seconds=${SECONDS}&rate=40`);
    await expect(page.locator(".note")).toContainText("over at most 4 of the browser’s connections");
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.getByRole("alert")).toContainText("Users must be a whole number from 1 to 4.");
    await page.getByRole("spinbutton", { name: /^users/ }).fill("4");
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.getByText(/^Done: /)).toBeVisible({ timeout: 60_000 });
    await expect(page.locator(".warning")).toHaveCount(0);

    const { elapsed, samples } = (await exported(page)) as unknown as Exported;
    const browser = await timings(page);
    expect(samples).toHaveLength(browser.length);
    for (const [name, share] of [
      ["p50", 0.5],
      ["p99", 0.99],
    ] as const) {
      const of = (key: keyof Timing) =>
        nearestRank(
          browser.map((timing) => timing[key]),
          share,
        );
      const [succeeded, , waited] = await row(page, name);
      expect([succeeded, waited], name).toEqual([duration(of("took")), duration(of("waited"))]);
    }
    const ends = samples.map(({ at, waited = Number.NaN, took }) => at + waited + took);
    expect(elapsed).toBeGreaterThanOrEqual(Math.max(...ends));
  });

  test("a run of the page can be stopped, and survives a change of the tab", async ({ page }) => {
    await page.goto(`${gateway.url}/#/load?users=3&seconds=&requests=5000&rate=40`);
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.getByText(/^Running: [1-9]\d* requests?/)).toBeVisible();
    await page.getByRole("link", { name: "Mesh" }).click();
    await page.getByRole("link", { name: "Load" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await expect(page.getByText(/^Stopped: /)).toBeVisible();
    await page.locator("table a").first().click();
    await expect(page.getByRole("treeitem").first()).toBeVisible();
  });

  test("the rate covers the whole run, including its end without requests", async ({ page }) => {
    await page.goto(`${gateway.url}/#/load?users=2&rate=1&seconds=3`);
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.getByText(/^Done: 3 requests in /)).toBeVisible();
    const { elapsed } = (await exported(page)) as unknown as Exported;
    // A browser's timers may be a millisecond early.
    expect(elapsed).toBeGreaterThanOrEqual(2_990);
    await expect(page.locator(".big").first()).toContainText((3_000 / elapsed).toFixed(1));
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
    await page.goto(`${gateway.url}/#/load?users=2&seconds=&requests=10`);
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.getByText(/^Done: 10/)).toBeVisible();
    await expect(page.locator(".warning")).toHaveCount(0);
    const { samples } = (await exported(page)) as unknown as Exported;
    expect(samples.filter(({ waited }) => waited === undefined)).toEqual([]);
  });
});
