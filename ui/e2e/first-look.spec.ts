import { link } from "../src/model/route.ts";
import { pidOf } from "./platform.ts";
import { expect, greet, mesh, test } from "./test.ts";

test("the first look: a grey graph, one button, and from its answer the way to the queue and to F's store", async ({
  page,
}) => {
  await page.goto("/");
  await expect(page.locator(".node")).toHaveCount(14);
  await page.getByRole("button", { name: "Send a greeting" }).click();
  await expect(page.locator(".summary")).toHaveText(/^7 greetings in [\d.]+ m?s · open trace$/);
  await expect(page.locator(".edge.live")).toHaveCount(13);
  await expect(page.locator(".edge.idle")).toHaveCount(0);
  await expect(page.locator(".vitals")).toContainText("serving");

  await page.getByRole("link", { name: "open trace" }).click();
  const rows = page.getByRole("treeitem");
  await expect(rows).toHaveCount(21);
  await expect(page.locator(".wait")).toHaveText(/in the queue$/);
  await expect(rows.filter({ hasText: "service-f" }).filter({ hasText: "insert" })).toHaveCount(1);
  await expect(page.locator(".critical").first()).toBeAttached();
});

test("an edge opens its panel, dims what is unrelated, and leads to its traces; all by keyboard", async ({
  page,
}) => {
  await greet(2);
  await page.goto("/#/mesh");
  const edge = page.getByRole("button", { name: /^service-b to service-e, gRPC: .*p50/ });
  await edge.focus();
  await page.keyboard.press("Enter");
  const panel = page.getByRole("complementary", { name: "The selected edge" });
  await expect(panel).toContainText("service-b → service-e");
  await expect(page.locator(".node.dim")).not.toHaveCount(0);
  await expect(page.locator(".node.dim")).not.toContainText(["service-e"]);
  await expect(page).toHaveURL(/select=service-b/);
  await panel.getByRole("link", { name: "Traces through this edge" }).click();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
  await expect(page.locator(".chip")).toContainText("service-e");
});

test("a refresh moves no node and keeps the size", async ({ page }) => {
  await page.goto("/#/mesh?zoom=1.5");
  const places = () =>
    page.locator(".node text").evaluateAll((texts) => texts.map((text) => text.getBoundingClientRect().x));
  await expect(page.locator(".node")).toHaveCount(14);
  const before = await places();
  const refreshed = page.waitForResponse(/\/api\/mesh/);
  await greet(1);
  await refreshed;
  expect(await places()).toEqual(before);
  await expect(page).toHaveURL(/zoom=1.5/);
});

test("the table says what the graph says", async ({ page }) => {
  await greet(1);
  await page.goto("/#/mesh");
  await page.getByRole("button", { name: "Table" }).click();
  await expect(page.locator("tbody tr")).toHaveCount(13);
  await expect(page.locator("tbody tr").first()).toContainText("gateway");
  await expect(page.locator("tbody")).not.toContainText("no traffic");
  await expect(page).toHaveURL(/as=table/);
});

test("a killed service's edge is red with its code within two refreshes, and the rest stays", async ({
  page,
  context,
}) => {
  await page.goto("/#/mesh");
  await expect(page.locator(".edge.live, .edge.idle")).toHaveCount(13);
  // Restarted at once the first time, and calls wait a moment for it: only a service that is away for longer fails any.
  let failed = 0;
  for (let turn = 0; turn < 40 && failed === 0; turn += 1) {
    try {
      process.kill(pidOf(mesh.directory, "service-h"), "SIGKILL");
    } catch {
      // It is away already.
    }
    failed = await greet(4);
  }
  expect(failed).toBeGreaterThan(0);
  await expect(page.getByRole("button", { name: /^service-e to service-h.*UNAVAILABLE/ })).toHaveClass(
    /failing/,
    { timeout: 11_000 },
  );
  await expect(page.locator(".vitals .bad")).toContainText("errors");
  await expect(page.getByRole("button", { name: /^service-a to service-c/ })).not.toHaveClass(/failing/);

  const traces = await context.newPage();
  await traces.goto(mesh.url + link("traces", { tag: "error", lookback: "1m" }).replace(/^/, "/"));
  await traces.locator(".trace-list a.failed").first().click();
  await traces.getByRole("button", { name: "Next error (e)" }).click();
  await expect(traces.locator(".row.selected.failed")).toBeVisible();
  await expect(
    traces.locator(".row.failed .length").filter({ hasText: "UNAVAILABLE" }).first(),
  ).toBeVisible();
  // For the tests after this one.
  await expect.poll(() => greet(2), { timeout: 20_000 }).toBe(0);
});
