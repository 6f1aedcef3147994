import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { devices, type Page } from "@playwright/test";
import { expect, expectAccessible, greet, mesh, test } from "./test.ts";

const SHOTS = fileURLToPath(new URL("../node_modules/.shots", import.meta.url));
const ASSETS = fileURLToPath(new URL("../dist/assets", import.meta.url));

const VIEWS: readonly { name: string; open: (page: Page) => Promise<void> }[] = [
  {
    name: "mesh",
    open: async (page) => {
      await page.goto("/");
      await page.getByRole("button", { name: "Send a greeting" }).click();
      await expect(page.locator(".edge.live").first()).toBeVisible();
      await expect(page.locator(".summary")).toBeVisible();
    },
  },
  {
    name: "mesh-panel",
    open: async (page) => {
      await page.goto("/#/mesh?select=service-b%3Eservice-e");
      await expect(page.locator(".panel .metrics-list").first()).toBeVisible();
    },
  },
  {
    name: "mesh-table",
    open: async (page) => {
      await page.goto("/#/mesh?as=table");
      await expect(page.locator("tbody td.number").first()).toBeVisible();
    },
  },
  {
    name: "greeting",
    open: async (page) => {
      await page.goto("/#/greeting");
      await page.getByRole("button", { name: "Submit" }).click();
      await expect(page.locator(".by-queue.answered")).toBeVisible();
    },
  },
  {
    name: "traces",
    open: async (page) => {
      await page.goto("/#/traces");
      await expect(page.locator(".trace-list li").first()).toBeVisible();
    },
  },
  {
    name: "trace",
    open: async (page) => {
      await page.goto("/#/traces");
      await page.locator(".trace-list a").first().click();
      await page.getByRole("treeitem").filter({ hasText: "service-f process" }).click();
      await expect(page.locator(".detail")).toBeVisible();
    },
  },
  {
    name: "trace-find",
    open: async (page) => {
      await page.getByLabel("Find in trace").fill("greetings");
      await expect(page.locator(".row.match").first()).toBeVisible();
    },
  },
  {
    name: "compare",
    open: async (page) => {
      await page.goto("/#/traces");
      for (const index of [0, 1]) await page.getByLabel("Select for comparison").nth(index).check();
      await page.getByRole("link", { name: "Compare the two selected traces" }).click();
      await expect(page.locator(".compare-view tbody tr").first()).toBeVisible();
    },
  },
  {
    name: "mesh-failing",
    open: async (page) => {
      await page.route("**/api/greeting/stream", (route) => {
        const json = {
          code: 4,
          message: "service-a/service-b/service-e/service-g: deadline passed",
          details: [],
        };
        return route.fulfill({ status: 504, json });
      });
      await page.route("**/api/mesh?*", async (route) => {
        const response = await route.fetch();
        const json: { edges: { callee: string; count: number }[] } = await response.json();
        for (const edge of json.edges) {
          const errors = { count: 9_876, errors: 4_321, codes: { "4": 4_321 } };
          if (/service-g$/.test(edge.callee)) Object.assign(edge, errors);
          if (/service-[abe]$/.test(edge.callee)) Object.assign(edge, { ...errors, propagated: 4_321 });
          if (/service-[hd]$/.test(edge.callee)) Object.assign(edge, { count: 9_876, cancelled: 2_345 });
        }
        await route.fulfill({ json });
      });
      await page.goto("/#/mesh?lookback=5m");
      await page.getByRole("button", { name: "Send a greeting" }).click();
      await expect(page.locator(".edge.failing").first()).toBeVisible();
      await expect(page.locator(".outcome .failure")).toBeVisible();
    },
  },
  {
    name: "greeting-failed",
    open: async (page) => {
      await page.goto("/#/greeting");
      await page.getByRole("button", { name: "Submit" }).click();
      await expect(page.locator(".card.failed")).toBeVisible();
      await page.unroute("**/api/greeting/stream");
    },
  },
  {
    name: "unavailable",
    open: async (page) => {
      await page.route("**/zipkin/**", (route) =>
        route.fulfill({ status: 503, json: { code: 14, message: "trace backend unavailable", details: [] } }),
      );
      await page.goto("/#/traces?min=1us");
      await expect(page.locator(".failure")).toBeVisible();
      await page.unroute("**/zipkin/**");
    },
  },
  {
    name: "load",
    open: async (page) => {
      await page.goto("/#/load?users=5&seconds=&requests=60");
      await page.getByRole("button", { name: "Start" }).click();
      await expect(page.getByText(/^Done: 60/)).toBeVisible();
    },
  },
  {
    name: "load-outage",
    open: async (page) => {
      await page.route("**/api/load", (route) => route.fulfill({ json: outage() }));
      await page.goto("/#/load");
      await expect(page.getByText(/^Stopped: /)).toBeVisible();
      await page.unroute("**/api/load");
    },
  },
  {
    name: "load-in-the-page",
    open: async (page) => {
      const reason = "load runs are off; octet up switches them on";
      await page.route("**/api/load", (route) =>
        route.fulfill({ json: { available: false, reason, limits: null, run: null } }),
      );
      await page.goto("/#/load");
      await expect(page.locator(".load-view > .note")).toContainText("at most 4");
      await page.unroute("**/api/load");
    },
  },
];

const LOOKS = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  { name: "phone-light", colorScheme: "light", viewport: { width: 390, height: 844 } },
  { name: "phone-dark", colorScheme: "dark", viewport: { width: 390, height: 844 } },
] as const;

/** A run in which a service was frozen for six seconds, as the gateway reports it. */
function outage() {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const latency = (factor: number) => ({
    min_ms: 2.1,
    mean_ms: 9 * factor,
    p50_ms: 7.4 * factor,
    p75_ms: 9 * factor,
    p90_ms: 14 * factor,
    p95_ms: 19 * factor,
    p99_ms: 31 * factor,
    p99_9_ms: 48 * factor,
    max_ms: 55 * factor,
  });
  const seconds = Array.from({ length: 20 }, (_, second) => {
    const isGap = second >= 7 && second < 12;
    const isLast = second === 12;
    return {
      second,
      length: 1,
      requests: isGap ? 0 : isLast ? 40 : 2_800 + 37 * (second % 5),
      errors: isLast ? { "HTTP 504": 25 } : {},
      p50_ms: isGap ? null : isLast ? 5_004 : 7 + (second % 3),
      p99_ms: isGap ? null : isLast ? 5_010 : 24 + 3 * (second % 4),
      max_ms: isGap ? null : 5_012,
    };
  });
  const example = (index: number, outcome: string, took: number) => ({
    at_ms: 6_900 + index,
    latency_ms: took,
    outcome,
    trace_id: index % 4 === 3 ? null : traceId,
  });
  const report = {
    state: "stopped",
    elapsed_seconds: 20,
    requests: 39_240,
    succeeded: 39_215,
    failed: 25,
    unsent: 0,
    per_second: 1_962,
    outcomes: { "HTTP 200": 39_215, "HTTP 504": 25 },
    latency: latency(1.1),
    success_latency: latency(1),
    histogram: Array.from({ length: 14 }, (_, index) => ({
      from_ms: 10 ** ((3 + index) / 10),
      to_ms: 10 ** ((4 + index) / 10),
      count: Math.round(9_000 / (1 + (index - 5) ** 2)),
    })),
    seconds,
    slowest: Array.from({ length: 5 }, (_, index) => example(index, "HTTP 200", 55 - index)),
    failures: Array.from({ length: 6 }, (_, index) => example(index, "HTTP 504", 5_010 - index)),
  };
  const plan = { users: 25, rate: null, seconds: 60, requests: null, protocol: "http1" };
  const limit = { min: 1, max: 1_000 };
  return {
    available: true,
    limits: { users: limit, rate: limit, seconds: limit, requests: limit, timeout_seconds: 15 },
    run: { id: "one", plan, state: "stopped", failure: null, report },
  };
}

for (const { name, colorScheme, viewport } of LOOKS) {
  test.describe(name, () => {
    test.use({
      allowed: /Failed to load resource/,
      colorScheme,
      viewport,
      hasTouch: name.startsWith("phone"),
      userAgent: devices["Desktop Chrome"].userAgent,
    });

    test(`every view is accessible and fits the window, ${name}`, async ({ page }) => {
      await greet(2);
      for (const view of VIEWS) {
        await view.open(page);
        await page.screenshot({ path: `${SHOTS}/${view.name}-${name}.png` });
        await expectAccessible(page);
      }
    });
  });
}

test("nothing is animated, and the focus is visible", async ({ page }) => {
  await page.goto("/#/greeting");
  const skip = page.getByRole("button", { name: "Skip to content" });
  // Tab has no target before the page is rendered.
  await expect(skip).toBeAttached();
  await page.keyboard.press("Tab");
  await expect(skip).toBeFocused();
  const { outline, moving } = await page.evaluate(() => ({
    outline: getComputedStyle(document.activeElement ?? document.body).outlineWidth,
    moving: document.getAnimations().length,
  }));
  expect(outline).toBe("3px");
  expect(moving).toBe(0);
  await page.keyboard.press("Enter");
  await expect(page.locator("main")).toBeFocused();
});

test("the bundle is small, compressed and cached, with a strict content security policy", async ({
  request,
}) => {
  const bytes = (form: string, part: string) =>
    readdirSync(ASSETS)
      .filter((name) => name.endsWith(form) && name.startsWith(`${part}-`))
      .reduce((sum, name) => sum + readFileSync(`${ASSETS}/${name}`).length, 0);
  expect(bytes(".gz", "page"), "gzipped bytes of scripts and styles").toBeLessThanOrEqual(67_100);
  expect(bytes(".br", "page"), "the same with brotli").toBeLessThanOrEqual(59_200);
  // What is loaded when it is opened.
  const later = { faults: 3_500, "compare-view": 2_000, "scenarios-view": 5_000 };
  for (const [part, limit] of Object.entries(later)) {
    expect(bytes(".gz", part), `gzipped bytes of ${part}`).toBeGreaterThan(0);
    expect(bytes(".gz", part), `gzipped bytes of ${part}`).toBeLessThanOrEqual(limit);
  }
  const parts = ["page", ...Object.keys(later)];
  const others = readdirSync(ASSETS).filter((name) => !parts.some((part) => name.startsWith(`${part}-`)));
  expect(others, "files without a limit").toEqual([]);

  const page = await request.get("/");
  expect(page.headers()["cache-control"]).toBe("no-cache");
  expect(page.headers()["content-security-policy"]).not.toContain("unsafe");
  const script = /src="\.(\/assets\/[^"]+\.js)"/.exec(await page.text())?.[1] ?? "";
  const asset = await request.get(mesh.url + script, { headers: { "accept-encoding": "br" } });
  expect(asset.headers()).toMatchObject({
    "content-encoding": "br",
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
  });
  const known = { "if-none-match": asset.headers().etag ?? "", "accept-encoding": "br" };
  expect((await request.get(mesh.url + script, { headers: known })).status()).toBe(304);
  expect((await request.get("/docs/swagger-ui-bundle.js")).ok()).toBe(true);
});

test("the page sends requests to its own gateway only", async ({ page }) => {
  const origins = new Set<string>();
  page.on("request", (request) => origins.add(new URL(request.url()).origin));
  for (const hash of ["mesh", "greeting", "traces", "load"]) await page.goto(`/#/${hash}`);
  await expect(page.locator(".load-form")).toBeVisible();
  expect([...origins]).toEqual([mesh.url]);
});
