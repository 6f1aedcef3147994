import { fileURLToPath } from "node:url";
import type { Locator, Page } from "@playwright/test";
import { expect, greet, mesh, test } from "./test.ts";

const SHOTS = fileURLToPath(new URL("../node_modules/.shots", import.meta.url));

/** Nine services with edges past other services' stores, and the longest texts: FAILED_PRECONDITION is code 9. */
function nineServices() {
  const names = Array.from({ length: 9 }, (_, index) => `service-${String.fromCharCode(97 + index)}`);
  const calls: Record<string, number[]> = { 0: [1, 2, 8], 1: [3, 4, 8], 2: [5], 4: [6, 7], 6: [8] };
  const services = names.map((name, index) => ({
    name,
    greeting: `Hello from ${name}`,
    calls: (calls[index] ?? []).map((called) => names[called]),
    store: index % 2 === 0 ? { database: name, collection: "greetings" } : null,
    publishes: index === 3 ? "service-d.greeting" : null,
    consumes: index === 5 ? "service-d.greeting" : null,
  }));
  const edges = services.flatMap(({ name, calls, store }) => {
    const measured = {
      kind: "rpc",
      count: 123_456,
      errors: 61_000,
      codes: { "9": 61_000 },
      p50: 1_234,
      p99: 5_000,
    };
    return [
      ...calls.map((callee) => ({ ...measured, caller: name, callee })),
      ...(store ? [{ ...measured, kind: "database", caller: name, callee: `${name}.greetings` }] : []),
    ];
  });
  const wait = { kind: "messaging", caller: "service-d", callee: "service-f", count: 99_999, errors: 0 };
  return {
    topology: { entry: names[0], order: names, services },
    mesh: {
      sample: false,
      traces: 123_456,
      from: 0,
      to: 60_000,
      edges: [...edges, { ...wait, p50: 123.4, p99: 456.7, queueWait: { p50: 12_345, p99: 23_456 } }],
    },
    processes: {
      at: 0,
      processes: names.map((name) => ({
        name,
        state: "not ready",
        reasons: ["store: gone"],
        store: { up: false, inserts: 0 },
        queue: { ready: 1, deadLetters: 99_999 },
      })),
    },
  };
}

async function showNineServices(page: Page): Promise<void> {
  const data = nineServices();
  await page.route("**/api/topology", (route) => route.fulfill({ json: data.topology }));
  await page.route("**/api/mesh?*", (route) => route.fulfill({ json: data.mesh }));
  await page.route("**/api/processes", (route) => route.fulfill({ json: data.processes }));
  await page.goto("/#/mesh");
  await expect(page.locator(".edge.failing").first()).toBeVisible();
}

async function boxOf(locator: Locator) {
  const box = await locator.boundingBox();
  if (!box) throw new Error("the element is not visible");
  return box;
}

async function scrollOf(canvas: Locator) {
  return canvas.evaluate(({ scrollLeft, scrollTop }) => ({ scrollLeft, scrollTop }));
}

test("labels overlap neither nodes nor each other, with nine services and errors on every edge", async ({
  page,
}) => {
  await showNineServices(page);
  const overlaps = await page.evaluate(() => {
    const box = (element: Element) => element.getBoundingClientRect();
    const texts = [...document.querySelectorAll("text.metrics")].filter((text) => text.textContent !== "");
    const shapes = [...document.querySelectorAll(".node .shape:not(.lid), .badge rect")];
    const found: string[] = [];
    for (const text of texts) {
      const own = box(text);
      for (const other of [...texts, ...shapes]) {
        if (other === text || other.parentElement === text.parentElement) continue;
        const { left, right, top, bottom } = box(other);
        // Lines of text have space above and below their letters.
        if (own.left < right && left < own.right && own.top + 2 < bottom && top + 2 < own.bottom) {
          found.push(`${text.textContent} over ${other.textContent || other.parentElement?.textContent}`);
        }
      }
    }
    const lines = [...document.querySelectorAll<SVGPathElement>(".edge .line")];
    for (const line of lines) {
      const marker = document.querySelector<SVGMarkerElement>(
        (line.getAttribute("marker-end") ?? "").replace(/^url\(|\)$/g, ""),
      );
      const matrix = line.getScreenCTM();
      if (!marker || !matrix) continue;
      // Edges end from left to right.
      const end = line.getPointAtLength(line.getTotalLength()).matrixTransform(matrix);
      const isByLine = marker.markerUnits.baseVal === SVGMarkerElement.SVG_MARKERUNITS_STROKEWIDTH;
      const width = isByLine ? Number.parseFloat(getComputedStyle(line).strokeWidth) : 1;
      const size = marker.markerWidth.baseVal.value * width * matrix.a;
      for (const text of texts) {
        const { left, right, top, bottom } = box(text);
        const isBeside = right <= end.x - size || left >= end.x;
        if (!isBeside && top + 2 < end.y + size / 2 && end.y - size / 2 < bottom - 2) {
          found.push(`the head of an edge over ${text.textContent}`);
        }
      }
    }
    return {
      texts: texts.length,
      heads: lines.length,
      badges: document.querySelectorAll(".badge").length,
      found,
    };
  });
  await page.screenshot({ path: `${SHOTS}/nine-services.png` });
  expect(overlaps.texts).toBeGreaterThan(30);
  expect(overlaps.heads).toBeGreaterThan(15);
  // Nine services, five databases, and the queue.
  expect(overlaps.badges).toBe(15);
  expect(overlaps.found).toEqual([]);
});

/** Half of the calls of the mesh fail in G, a few in C, and many callers of H left. */
async function showOutage(page: Page): Promise<void> {
  const edge = (caller: string, callee: string, more: object = {}) => {
    const counts = {
      kind: "rpc",
      count: 6_000,
      errors: 0,
      propagated: 0,
      cancelled: 0,
      p50: 12.3,
      p99: 45.6,
    };
    return { ...counts, caller, callee, ...more };
  };
  const passed = { errors: 3_000, propagated: 3_000, codes: { "14": 3_000 } };
  const edges = [
    edge("gateway", "service-a", passed),
    edge("service-a", "service-b", passed),
    edge("service-b", "service-e", passed),
    edge("service-e", "service-g", { errors: 3_000, codes: { "14": 3_000 } }),
    edge("service-e", "service-h", { cancelled: 2_400 }),
    edge("service-a", "service-c", { errors: 1, codes: { "4": 1 } }),
  ];
  const to = Date.now();
  const mesh = { sample: false, traces: 6_000, kept: 900, completeSince: 0, from: to - 60_000, to, edges };
  await page.route("**/api/mesh?*", (route) => route.fulfill({ json: mesh }));
}

test("the cause of an outage is the reddest edge, and cancelled calls have a colour of their own", async ({
  page,
}) => {
  await showOutage(page);
  await page.goto("/#/mesh");
  const edge = (name: string) => page.getByRole("button", { name: new RegExp(`^${name}, gRPC`) });
  await expect(edge("service-e to service-g")).toHaveClass(/failing/);
  for (const name of ["gateway to service-a", "service-a to service-b", "service-b to service-e"]) {
    await expect(edge(name)).toHaveClass(/degraded/);
  }
  await expect(edge("service-e to service-h")).toHaveClass(/cancelled/);
  await expect(edge("service-e to service-h")).toContainText("⊘ 40 %");
  // One error in 6,000 calls; its rate is beside the colour.
  await expect(edge("service-a to service-c")).toHaveClass(/live/);
  await expect(edge("service-a to service-c")).toContainText("✕ <0.1 %");
  // The latency is there in any case.
  await expect(edge("service-e to service-g")).toContainText("12 · 46 ms");
  await expect(page.locator(".legend")).toContainText("5 % or more of calls fail at the callee itself");

  await edge("service-e to service-h").press("Enter");
  await expect(page.getByRole("complementary")).toContainText("⊘ 2400 · 40 %: the caller left");
  await expect(page.getByRole("complementary")).toContainText("none");
  await page.goto("/#/mesh?as=table&lookback=5m");
  const row = (callee: string) => page.locator("tbody tr", { has: page.getByText(callee, { exact: true }) });
  await expect(row("service-h").first().locator("td.cancelled")).toHaveText("⊘ 2,400 · 40 %");
  await expect(row("service-g").first().locator("td.failing").first()).toHaveText("✕ 3,000 · 50 %");

  await page.goto("/#/mesh?degraded=0.01&failing=60");
  await expect(edge("service-a to service-c")).toHaveClass(/degraded/);
  await expect(edge("service-e to service-g")).toHaveClass(/degraded/);
  await expect(page.locator(".legend")).toContainText("60 % or more of calls fail");
});

test("what the counts lack is said", async ({ page }) => {
  const to = Date.now();
  const lacking = { completeSince: to - 20_000, droppedSpans: 1_234, uncountedCalls: 1 };
  const edges = [{ caller: "gateway", callee: "service-a", kind: "rpc", count: 40, errors: 0 }];
  await page.route("**/api/mesh?*", (route) =>
    route.fulfill({ json: { sample: false, traces: 40, kept: 7, from: to - 60_000, to, ...lacking, edges } }),
  );
  await page.goto("/#/mesh");
  await expect(page.locator(".note")).toContainText("Counted since");
  await expect(page.locator(".note")).toContainText("1,234 spans lost on the way: their calls are missing");
  await expect(page.locator(".note")).toContainText("1 call beyond the collector's limits");
  // 40 calls in the 20 s since the start.
  await expect(page.locator(".status-bar")).toContainText("2.0/s");
  await page.goto("/#/traces?lookback=1m");
  await expect(page.locator(".note")).toContainText("7 of 40 traces in the last minute are kept");
});

test("all of the graph is visible at first in a window of 1280 pixels", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator(".node")).toHaveCount(14);
  const canvas = page.locator(".canvas");
  const hidden = await canvas.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
  expect(hidden).toBe(0);
});

test("the wheel zooms at the pointer, dragging pans, and the zoom is kept in the URL", async ({ page }) => {
  await page.goto("/#/mesh?zoom=1.2");
  const node = page.locator(".node", { hasText: "service-e" }).first();
  const canvas = page.locator(".canvas");
  const before = await boxOf(node);
  await page.mouse.move(before.x + before.width / 2, before.y + before.height / 2);
  await page.mouse.wheel(0, -240);
  await expect(page).toHaveURL(/zoom=1\.9/);
  const after = await boxOf(node);
  expect(after.width).toBeGreaterThan(before.width * 1.4);
  expect(Math.abs(after.x + after.width / 2 - before.x - before.width / 2)).toBeLessThan(20);

  const from = await scrollOf(canvas);
  const frame = await boxOf(canvas);
  await page.mouse.move(frame.x + 300, frame.y + 30);
  await page.mouse.down();
  await page.mouse.move(frame.x + 200, frame.y + 20, { steps: 4 });
  await page.mouse.up();
  const to = await scrollOf(canvas);
  expect(to.scrollLeft - from.scrollLeft).toBe(100);
  // The end of a drag is not a click.
  await expect(page).not.toHaveURL(/select=/);
});

test("zooming keeps the selection, selected and in sight", async ({ page }) => {
  await page.goto("/#/mesh?select=service-h.greetings");
  const node = page.locator(".node", { hasText: "service-h.greetings" });
  await expect(page.locator(".panel")).toBeVisible();
  for (let press = 0; press < 4; press += 1) await page.getByRole("button", { name: "Zoom in" }).click();
  await expect(page).toHaveURL(/select=service-h\.greetings.*zoom=\d/);
  await expect(node).toHaveAttribute("aria-pressed", "true");
  const [box, frame] = [await boxOf(node), await boxOf(page.locator(".canvas"))];
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  expect(centre.x).toBeGreaterThan(frame.x);
  expect(centre.x).toBeLessThan(frame.x + frame.width);
  expect(centre.y).toBeGreaterThan(frame.y);
  expect(centre.y).toBeLessThan(frame.y + frame.height);
});

test("Escape closes the panel, from anywhere on the page", async ({ page }) => {
  await page.goto("/#/mesh?select=service-b");
  await expect(page.locator(".panel")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.locator(".panel")).toHaveCount(0);
  await expect(page).not.toHaveURL(/select=/);
});

test("the note about labels belongs to the graph, and is not shown with the table", async ({ page }) => {
  await greet(1);
  await page.goto("/#/mesh");
  await expect(page.locator(".note")).toContainText("Edge labels");
  await page.getByRole("button", { name: "Table" }).click();
  await expect(page.locator(".note")).toContainText(/\d traces? in the last minute/);
  await expect(page.locator(".note")).not.toContainText("Edge labels");
  await expect(page.locator(".legend")).toHaveCount(0);
});

test("a link opens the API browser", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("link", { name: "API", exact: true }).click();
  await expect(page).toHaveURL(`${mesh.url}/docs/`);
  await expect(page.locator(".swagger-ui").first()).toBeVisible();
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true });

  test("the graph is legible at first, and Fit shows all of it", async ({ page }) => {
    await page.goto("/#/mesh");
    const canvas = page.locator(".canvas");
    await expect(page.locator(".node")).toHaveCount(14);
    const size = () => canvas.evaluate(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }));
    expect((await size()).scrollWidth).toBeGreaterThan((await size()).clientWidth * 1.5);
    await page.getByRole("button", { name: "Fit" }).click();
    await expect.poll(async () => (await size()).scrollWidth - (await size()).clientWidth).toBe(0);
    const frame = await boxOf(canvas);
    for (const node of await page.locator(".node").all()) {
      const box = await boxOf(node);
      expect(box.x).toBeGreaterThanOrEqual(frame.x);
      expect(box.x + box.width).toBeLessThanOrEqual(frame.x + frame.width + 1);
    }
  });

  test("the table scrolls sideways, and says so", async ({ page }) => {
    await page.goto("/#/mesh?as=table");
    await expect(page.getByText("Scroll sideways for more columns")).toBeVisible();
    const table = page.getByRole("region", { name: "Edges of the mesh" });
    await table.evaluate((element) => element.scrollBy(2_000, 0));
    await expect(page.getByRole("columnheader", { name: "queue wait" })).toBeInViewport();
  });
});
