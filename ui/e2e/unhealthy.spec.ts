import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { pidOf } from "./platform.ts";
import { expect, expectAccessible, greet, mesh, test } from "./test.ts";

const SHOTS = fileURLToPath(new URL("../node_modules/.shots", import.meta.url));

const REASON = "service-a/service-b/service-e/service-g: deadline passed";

const health = (page: Page) => page.locator(".status-bar > div").filter({ hasText: "health" });
const badge = (page: Page, node: string) => page.locator(`.badge[data-node="${node}"]`);

test.describe("a frozen service", () => {
  test("is awaited while the greetings of all others show, also after it failed", async ({ page }) => {
    await page.goto("/#/greeting");
    const answered = page.locator(".card.answered:not(.by-queue)");
    process.kill(pidOf(mesh.directory, "service-h"), "SIGSTOP");
    try {
      await page.getByRole("button", { name: "Submit" }).click();
      await expect(answered).toHaveCount(6);
      await expect(page.getByRole("button", { name: "Sending…" })).toBeVisible();
      await expect(page.locator(".card.failed h2")).toHaveText(/service-h/);
      await expect(answered).toHaveCount(6);
      await expect(page.locator(".failure")).toContainText("failed after its first greeting");
    } finally {
      process.kill(pidOf(mesh.directory, "service-h"), "SIGCONT");
    }
    await page.getByRole("button", { name: "Submit" }).click();
    await expect(answered).toHaveCount(7);
  });

  // The browser logs the 504.
  test.use({ allowed: /Failed to load resource/ });

  test("is named by the header, its node, its panel and the failure, which links to its trace", async ({
    page,
  }) => {
    // Shorter than the 5 s after which a ping without a response ends the connection.
    await page.route("**/api/greeting/stream", (route) =>
      route.continue({ headers: { ...route.request().headers(), "grpc-timeout": "2S" } }),
    );
    await page.goto("/#/mesh?select=service-g");
    await expect(page.locator(".panel .health")).toBeVisible();
    process.kill(pidOf(mesh.directory, "service-g"), "SIGSTOP");
    try {
      await page.getByRole("button", { name: "Send a greeting" }).click();
      await expect(health(page)).toContainText("1 of 8 not ready");
      await expect(badge(page, "service-g")).toHaveText("✕ not ready");
      await expect(page.locator(".panel .health")).toContainText("unreachable");
      await expect(page.locator(".panel .health")).toContainText("no response within 2s");

      const failure = page.locator(".outcome .failure");
      await expect(failure).toContainText(
        "service-g failed. Path: service-a → service-b → service-e → service-g",
        { timeout: 20_000 },
      );
      await expect(failure).toContainText(REASON);
      await page.screenshot({ path: `${SHOTS}/frozen.png`, fullPage: true });
      await expectAccessible(page);

      await page.goto("/#/greeting");
      await expect(page.locator(".card.failed h2")).toHaveText(/service-g.*DEADLINE_EXCEEDED/);
      await page.locator(".failure").getByRole("link", { name: "open trace" }).click();
      // The spans arrive a moment after the response.
      await expect(async () => {
        await page.reload();
        await expect(page.locator(".row.failed").first()).toBeVisible({ timeout: 1_000 });
      }).toPass();
      await page.getByRole("treeitem").filter({ hasText: "gateway" }).first().click();
      await expect(page.locator(".detail")).toContainText(REASON);
    } finally {
      process.kill(pidOf(mesh.directory, "service-g"), "SIGCONT");
    }
    await page.goto("/#/mesh");
    await expect(health(page)).toContainText("serving");
    await expect(page.locator(".badge.trouble")).toHaveCount(0);
    await expect.poll(() => greet(2), { timeout: 20_000 }).toBe(0);
  });
});

test("a restarted service has a badge, and its panel has version, start, CPU and memory", async ({
  page,
}) => {
  process.kill(pidOf(mesh.directory, "service-c"), "SIGKILL");
  await page.goto("/#/mesh?select=service-c");
  await expect(badge(page, "service-c")).toHaveText(/^↻ \d+$/);
  const panel = page.locator(".panel .health");
  await expect(panel).toContainText("ready");
  for (const fact of [
    /restarts\s*[1-9]/,
    /version\s*\d+\.\d+\.\d+/,
    /started\s*(now|\d+ s ago)/,
    /CPU\s*[<\d.]+ %/,
    /memory\s*[\d.]+ MiB/,
  ]) {
    await expect(panel).toHaveText(fact);
  }
  await expect(health(page)).toContainText("serving");
  await expect.poll(() => greet(2), { timeout: 20_000 }).toBe(0);
  await page.goto("/#/mesh?select=service-c.greetings");
  await expect(panel).toHaveText(/answers\s*yes.*p50 · p99\s*≤/);
  await page.goto("/#/mesh?select=service-d.greeting");
  await expect(panel).toHaveText(/waiting\s*0 messages.*dead letters\s*0/);
});

/** Half of the mesh in trouble of every kind. */
async function showTrouble(page: Page): Promise<void> {
  await page.route("**/api/processes", async (route) => {
    const json: { processes: { name: string; [field: string]: unknown }[] } = await (
      await route.fetch()
    ).json();
    for (const process of json.processes) {
      if (/-[ch]$/.test(process.name)) {
        const reasons = ["store: cannot write: No space left on device"];
        Object.assign(process, { state: "not ready", reasons, store: { up: false, inserts: 0 } });
      }
      if (/-[beg]$/.test(process.name)) {
        Object.assign(process, { state: "unreachable", reasons: ["connection refused"] });
      }
      if (process.name === "service-a") process.restarts = 3;
      if (process.name === "service-f") {
        process.queue = { ready: 12_345, oldestSeconds: 3_700, deadLetters: 17 };
      }
    }
    await route.fulfill({ json });
  });
  await page.goto("/#/mesh?select=service-d.greeting");
  await expect(health(page)).toContainText("5 of 8 not ready");
}

for (const [name, viewport, colorScheme] of [
  ["desktop", { width: 1280, height: 800 }, "light"],
  ["dark", { width: 1280, height: 800 }, "dark"],
  ["phone", { width: 390, height: 844 }, "light"],
] as const) {
  test.describe(name, () => {
    test.use({ viewport, colorScheme });

    test(`the header counts what is not ready, and badges cover neither labels nor each other, ${name}`, async ({
      page,
    }) => {
      await greet(2);
      await showTrouble(page);
      await expect(page.locator(".badge.trouble")).toHaveCount(8);
      await expect(badge(page, "service-d.greeting")).toHaveText("✕ 17 dead");
      await expect(badge(page, "service-a")).toHaveText("↻ 3");
      await expect(page.locator(".panel .health")).toHaveText(/oldest\s*62 min.*dead letters\s*✕ 17/);
      const overlaps = await page.evaluate(() => {
        const boxes = (selector: string) => [...document.querySelectorAll(selector)];
        const found: string[] = [];
        for (const badge of boxes(".badge")) {
          const own = badge.getBoundingClientRect();
          for (const other of boxes(".badge, text.metrics, .node > text")) {
            if (other === badge || other.textContent === "") continue;
            const { left, right, top, bottom } = other.getBoundingClientRect();
            const isOver =
              own.left < right && left < own.right && own.top + 2 < bottom && top + 2 < own.bottom;
            if (isOver) found.push(`${badge.textContent} over ${other.textContent}`);
          }
        }
        return found;
      });
      await page.screenshot({ path: `${SHOTS}/trouble-${name}.png`, fullPage: true });
      expect(overlaps).toEqual([]);
      await expectAccessible(page);
    });
  });
}

test("a gateway that knows no admin addresses shows no badge, and its entry's health", async ({ page }) => {
  await page.route("**/api/processes", (route) => route.fulfill({ json: { at: 0, processes: [] } }));
  await page.goto("/#/mesh?select=service-c");
  await expect(health(page)).toContainText("serving");
  await expect(page.locator(".panel")).toBeVisible();
  await expect(page.locator(".badge, .health")).toHaveCount(0);
});
