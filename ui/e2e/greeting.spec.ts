import { startGateway } from "./platform.ts";
import { expect, mesh, test } from "./test.ts";

test("each greeting has a card, and F's message is found in the trace", async ({ page }) => {
  await page.goto("/#/greeting");
  await page.getByRole("button", { name: "Submit" }).click();
  await expect(page.locator(".card.answered h2 bdi").first()).toHaveText("service-a");
  await expect(page.locator(".card.answered")).toHaveCount(8);
  const names = await page.locator(".card h2 bdi").allTextContents();
  expect(names).toEqual(["a", "b", "d", "e", "g", "h", "c", "f"].map((letter) => `service-${letter}`));
  for (const text of ["नमस्ते", "こんにちは", "שָׁלוֹם", "أهلا", "你好"]) {
    await expect(page.locator(".card .message bdi").filter({ hasText: text })).toHaveCount(1);
  }
  const consumer = page.locator(".by-queue.answered");
  await expect(consumer).toContainText("service-f.messages");
  const published = page.locator(".card").filter({ hasText: "Shalom" }).locator("dd").first();
  await expect(consumer.locator("dd").first()).toHaveText((await published.textContent()) ?? "");
});

test.describe("another gateway", () => {
  test.use({ allowed: /CORS policy|Failed to load resource/ });

  test("a gateway that blocks the page by CORS is named, and the address can be reset", async ({ page }) => {
    const other = await startGateway(mesh, {});
    try {
      await page.goto("/#/greeting");
      await page.getByLabel("API address").fill(other.url);
      await page.getByRole("button", { name: "Apply" }).click();
      const failure = page.locator(".failure").first();
      await expect(failure).toContainText("does not allow this page to read its responses (CORS)");
      await expect(failure).toContainText(
        `Add ${mesh.url}, this page's origin, to the gateway's ALLOWED_ORIGINS`,
      );
      await expect(page.locator(".other-api")).toContainText(other.url);
      await expect(page.locator(".status-bar")).toContainText("blocked (CORS)");
      await expect(page.getByRole("button", { name: "Apply" })).toBeFocused();

      // Finding the cause must not repeat the request: the gateway has served it.
      const paths: string[] = [];
      page.on("request", (request) => paths.push(new URL(request.url()).pathname));
      await page.getByRole("button", { name: "Submit" }).click();
      await expect(page.locator(".outcome .failure")).toContainText("(CORS)");
      expect(paths.filter((path) => path === "/api/greeting/stream")).toHaveLength(1);

      await page.reload();
      await expect(page.getByLabel("API address")).toHaveValue(other.url);
      await page.getByRole("button", { name: "Reset" }).click();
      await expect(page.getByLabel("API address")).toHaveValue(mesh.url);
      await expect(page.locator(".failure")).toHaveCount(0);
    } finally {
      await other.stop();
    }
  });

  test("a gateway that allows the page's origin serves every view, with traces and request timings", async ({
    page,
  }) => {
    const other = await startGateway(mesh, {
      ALLOWED_ORIGINS: mesh.url,
      TRACE_QUERY_URL: mesh.collector,
      OTEL_TRACES_EXPORTER: "zipkin",
      OTEL_EXPORTER_ZIPKIN_ENDPOINT: `${mesh.collector}/api/v2/spans`,
    });
    try {
      await page.goto("/#/greeting");
      await page.getByLabel("API address").fill(other.url);
      await page.getByRole("button", { name: "Apply" }).click();
      await expect(page.locator(".other-api")).toContainText(other.url);
      await page.getByRole("button", { name: "Submit" }).click();
      await expect(page.locator(".by-queue.answered")).toBeVisible();
      await page.getByRole("link", { name: "open trace" }).click();
      await expect(page.getByRole("treeitem").first()).toBeVisible();
      await page.goto("/#/load?users=2&seconds=&requests=10");
      await page.getByRole("button", { name: "Start" }).click();
      await expect(page.getByText(/^Done: 10/)).toBeVisible();
      await expect(page.locator(".warning")).toHaveCount(0);
    } finally {
      await other.stop();
    }
  });

  test("an unreachable address and an invalid one are reported", async ({ page }) => {
    await page.goto("/#/greeting");
    await page.getByLabel("API address").fill("http://127.0.0.1:9");
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(page.locator(".failure").first()).toContainText("The gateway cannot be reached");
    await expect(page.locator(".status-bar")).toContainText("gateway unreachable");
    await page.getByLabel("API address").fill("ftp://x");
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(page.getByRole("alert")).toContainText("Invalid address");
  });

  test("the page calls the address in the gateway's UI_API_URL", async ({ page }) => {
    const front = await startGateway(mesh, { UI_API_URL: "http://127.0.0.1:9" });
    try {
      await page.goto(`${front.url}/#/greeting`);
      await expect(page.getByLabel("API address")).toHaveValue("http://127.0.0.1:9");
      await expect(page.locator(".other-api")).toContainText("http://127.0.0.1:9");
      // The page's own gateway can still be set.
      await page.getByLabel("API address").fill(front.url);
      await page.getByRole("button", { name: "Apply" }).click();
      await expect(page.locator(".other-api")).toHaveCount(0);
      await expect(page.getByRole("button", { name: "Reset" })).toBeVisible();
    } finally {
      await front.stop();
    }
  });
});
