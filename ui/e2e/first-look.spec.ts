import { link } from "../src/model/route.ts";
import { type Mesh, pidOf, startMesh } from "./platform.ts";
import { expect, greet, test } from "./test.ts";

test("first look: the graph, a greeting, and its trace up to the queue and F's store", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator(".node")).toHaveCount(14);
  await page.getByRole("button", { name: "Send a greeting" }).click();
  await expect(page.locator(".summary")).toHaveText(/^7 greetings in [\d.]+ m?s · open trace$/);
  // Another test may have let calls fail within the last minutes.
  await expect(page.locator(".edge:not(.idle)")).toHaveCount(13);
  await expect(page.locator(".edge.idle")).toHaveCount(0);
  await expect(page.locator(".status-bar")).toContainText("serving");

  await page.getByRole("link", { name: "open trace" }).click();
  const rows = page.getByRole("treeitem");
  await expect(rows).toHaveCount(21);
  // A consumer may start before the publisher has its confirm, so a wait in the queue is tested with a recorded trace.
  await expect(rows.filter({ hasText: "service-f process" })).toHaveCount(1);
  await expect(rows.filter({ hasText: "service-f" }).filter({ hasText: "insert" })).toHaveCount(1);
  await expect(page.locator(".critical").first()).toBeAttached();
});

test("a trace that is opened with its first spans shows the others once they have arrived", async ({
  page,
}) => {
  let isWhole = false;
  await page.route("**/zipkin/api/v2/traceMany?*", async (route) => {
    const response = await route.fetch();
    const traces: unknown[][] = await response.json();
    const json = isWhole ? traces : traces.map((spans) => spans.slice(0, 2));
    await route.fulfill({ response, json });
  });
  await page.goto("/");
  await page.getByRole("button", { name: "Send a greeting" }).click();
  await page.getByRole("link", { name: "open trace" }).click();
  const rows = page.getByRole("treeitem");
  await expect(rows).toHaveCount(2);
  isWhole = true;
  await expect(rows).toHaveCount(21);
});

test("an edge opens its panel by keyboard, dims unrelated nodes, and links to its traces", async ({
  page,
}) => {
  await greet(2);
  await page.goto("/#/mesh");
  const edge = page.getByRole("button", { name: /^service-b to service-e, gRPC: .*p50/ });
  await edge.focus();
  await page.keyboard.press("Enter");
  const panel = page.getByRole("complementary", { name: "Selected edge" });
  await expect(panel).toContainText("service-b → service-e");
  await expect(page.locator(".node.dim")).not.toHaveCount(0);
  await expect(page.locator(".node.dim")).not.toContainText(["service-e"]);
  await expect(page).toHaveURL(/select=service-b/);
  await panel.getByRole("link", { name: "Traces through this edge" }).click();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
  await expect(page.locator(".chip")).toContainText("service-e");
});

test("a refresh moves no node and keeps the zoom", async ({ page }) => {
  await page.goto("/#/mesh?zoom=1.5");
  const positions = () =>
    page.locator(".node text").evaluateAll((texts) => texts.map((text) => text.getBoundingClientRect().x));
  await expect(page.locator(".node")).toHaveCount(14);
  const before = await positions();
  const refreshed = page.waitForResponse(/\/api\/mesh/);
  await greet(1);
  await refreshed;
  expect(await positions()).toEqual(before);
  await expect(page).toHaveURL(/zoom=1.5/);
});

test("the table shows every edge of the graph", async ({ page }) => {
  await greet(1);
  await page.goto("/#/mesh");
  await page.getByRole("button", { name: "Table" }).click();
  await expect(page.locator("tbody tr")).toHaveCount(13);
  await expect(page.locator("tbody tr").first()).toContainText("gateway");
  await expect(page.locator("tbody")).not.toContainText("no traffic");
  await expect(page).toHaveURL(/as=table/);
});

test.describe("a mesh of its own", () => {
  // The share of failures decides on the colour: calls of other tests within the last minute would change it.
  let own: Mesh;
  test.beforeAll(async () => {
    own = await startMesh();
  });
  test.afterAll(() => own?.stop());

  test("the edge to a killed service turns red with its code within two refreshes, and no other edge does", async ({
    page,
    context,
  }) => {
    await page.goto(`${own.url}/#/mesh`);
    await expect(page.locator(".edge.live, .edge.idle")).toHaveCount(13);
    // `octet up` restarts it, at first immediately, and callers wait for CONNECT_WAIT: calls fail only once the backoff is longer.
    let failed = 0;
    for (let turn = 0; turn < 40 && failed === 0; turn += 1) {
      try {
        process.kill(pidOf(own.directory, "service-h"), "SIGKILL");
      } catch {
        // It is not running at the moment.
      }
      failed = await greet(4, own.url);
    }
    expect(failed).toBeGreaterThan(0);
    let refreshes = 0;
    page.on("request", (request) => {
      if (request.url().includes("/api/mesh")) refreshes += 1;
    });
    const edge = page.getByRole("button", { name: /^service-e to service-h.*UNAVAILABLE/ });
    await expect(edge).toHaveClass(/failing/, { timeout: 30_000 });
    // Spans arrive about a second after the call, so that the first refresh may miss them.
    expect(refreshes).toBeLessThanOrEqual(2);
    await expect(page.locator(".status-bar .bad")).toContainText("errors");
    await expect(page.getByRole("button", { name: /^service-a to service-c/ })).not.toHaveClass(/failing/);

    const traces = await context.newPage();
    await traces.goto(own.url + link("traces", { tag: "error", lookback: "1m" }).replace(/^/, "/"));
    await traces.locator(".trace-list a.failed").first().click();
    await traces.getByRole("button", { name: "Next error (e)" }).click();
    await expect(traces.locator(".row.selected.failed")).toBeVisible();
    await expect(
      traces.locator(".row.failed .length").filter({ hasText: "UNAVAILABLE" }).first(),
    ).toBeVisible();
  });
});
