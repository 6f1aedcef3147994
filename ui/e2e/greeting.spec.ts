import { startGateway } from "./platform.ts";
import { expect, mesh, test } from "./test.ts";

test("each greeting has its card, in its own script, and F's message is found in the trace", async ({
  page,
}) => {
  await page.goto("/#/greeting");
  await page.getByRole("button", { name: "Submit" }).click();
  await expect(page.locator(".card.answered h2 bdi").first()).toHaveText("service-a");
  await expect(page.locator(".card.answered")).toHaveCount(8);
  const names = await page.locator(".card h2 bdi").allTextContents();
  expect(names).toEqual(["a", "b", "d", "e", "g", "h", "c", "f"].map((letter) => `service-${letter}`));
  for (const text of ["नमस्ते", "こんにちは", "שָׁלוֹם", "أهلا", "你好"]) {
    await expect(page.locator(".card .message bdi").filter({ hasText: text })).toHaveCount(1);
  }
  const queued = page.locator(".by-queue.answered");
  await expect(queued).toContainText("service-f.messages");
  const published = page.locator(".card").filter({ hasText: "Shalom" }).locator("dd").first();
  await expect(queued.locator("dd").first()).toHaveText((await published.textContent()) ?? "");
});

test.describe("another gateway", () => {
  test.use({ allowed: /CORS policy|Failed to load resource/ });

  test("whoever refuses the page is told by name, and is forgotten on demand", async ({ page }) => {
    const other = await startGateway(mesh, {});
    try {
      await page.goto("/#/greeting");
      await page.getByLabel("API address").fill(other.url);
      await page.getByRole("button", { name: "Use" }).click();
      const failure = page.locator(".failure").first();
      await expect(failure).toContainText("does not let this page read its answers (CORS)");
      await expect(failure).toContainText(`ALLOWED_ORIGINS must name ${mesh.url}`);
      await expect(page.locator(".elsewhere")).toContainText(other.url);
      await expect(page.locator(".vitals")).toContainText("kept from this page");
      await expect(page.getByRole("button", { name: "Use" })).toBeFocused();

      // Why it failed is found out without doing the same again: what was refused to the page was done.
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).pathname));
      await page.getByRole("button", { name: "Submit" }).click();
      await expect(page.locator(".outcome .failure")).toContainText("(CORS)");
      expect(asked.filter((path) => path === "/api/greeting")).toHaveLength(1);

      await page.reload();
      await expect(page.getByLabel("API address")).toHaveValue(other.url);
      await page.getByRole("button", { name: "Back to the page's own" }).click();
      await expect(page.getByLabel("API address")).toHaveValue(mesh.url);
      await expect(page.locator(".failure")).toHaveCount(0);
    } finally {
      await other.end();
    }
  });

  test("whoever names the page's origin serves all of it, the way to the trace and times on the wire included", async ({
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
      await page.getByRole("button", { name: "Use" }).click();
      await expect(page.locator(".elsewhere")).toContainText(other.url);
      await page.getByRole("button", { name: "Submit" }).click();
      await expect(page.locator(".by-queue.answered")).toBeVisible();
      await page.getByRole("link", { name: "open trace" }).click();
      await expect(page.getByRole("treeitem").first()).toBeVisible();
      await page.goto("/#/load?users=2&seconds=&requests=10");
      await page.getByRole("button", { name: "Start" }).click();
      await expect(page.getByText(/^Done: 10/)).toBeVisible();
      await expect(page.locator(".warning")).toHaveCount(0);
    } finally {
      await other.end();
    }
  });

  test("an address where nobody answers, and one that is none, say so", async ({ page }) => {
    await page.goto("/#/greeting");
    await page.getByLabel("API address").fill("http://127.0.0.1:9");
    await page.getByRole("button", { name: "Use" }).click();
    await expect(page.locator(".failure").first()).toContainText("The gateway cannot be reached");
    await expect(page.locator(".vitals")).toContainText("no gateway");
    await page.getByLabel("API address").fill("ftp://x");
    await page.getByRole("button", { name: "Use" }).click();
    await expect(page.getByRole("alert")).toContainText("no gateway's address");
  });

  test("a gateway's UI_API_URL is where its page asks", async ({ page }) => {
    const front = await startGateway(mesh, { UI_API_URL: "http://127.0.0.1:9" });
    try {
      await page.goto(`${front.url}/#/greeting`);
      await expect(page.getByLabel("API address")).toHaveValue("http://127.0.0.1:9");
      await expect(page.locator(".elsewhere")).toContainText("http://127.0.0.1:9");
      // The page's own gateway can be chosen all the same.
      await page.getByLabel("API address").fill(front.url);
      await page.getByRole("button", { name: "Use" }).click();
      await expect(page.locator(".elsewhere")).toHaveCount(0);
      await expect(page.getByRole("button", { name: "Back to the page's own" })).toBeVisible();
    } finally {
      await front.end();
    }
  });
});
