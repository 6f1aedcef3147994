import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, hold, mesh, test } from "./test.ts";

const ANOMALOUS = [
  {
    traceId: "1".repeat(32),
    id: "a".repeat(16),
    name: "root",
    timestamp: 1_000_000,
    duration: 9_000,
    localEndpoint: { serviceName: "front" },
  },
  {
    traceId: "1".repeat(32),
    id: "b".repeat(16),
    parentId: "a".repeat(16),
    name: "early",
    timestamp: 999_000,
    duration: 100,
    localEndpoint: { serviceName: "back" },
  },
  {
    traceId: "1".repeat(32),
    id: "c".repeat(16),
    parentId: "d".repeat(16),
    name: "orphan",
    timestamp: 1_002_000,
    duration: 100,
    tags: { error: "gone" },
    localEndpoint: { serviceName: "back" },
  },
];

/** The trace id of a new greeting, once all of its spans have arrived. */
async function newestId(): Promise<string> {
  const response = await fetch(`${mesh.url}/api/greeting`);
  await response.text();
  const id = response.headers.get("traceresponse")?.split("-")[1] ?? "";
  const spans = async () => (await (await fetch(`${mesh.url}/zipkin/api/v2/trace/${id}`)).json()).length;
  await expect.poll(spans).toBe(21);
  return id;
}

test("filters find traces, are kept in the URL, and report invalid values", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces");
  await expect(page.locator(".trace-list li").first()).toContainText("gateway · get /api/greeting");
  await expect(page.locator(".scatter circle").first()).toBeVisible();
  await page.getByLabel("min duration").fill("1h");
  await page.getByLabel("min duration").press("Tab");
  await expect(page.getByRole("alert")).toContainText("Min duration must be");
  await page.getByLabel("min duration").fill("14s");
  await page.getByLabel("min duration").press("Tab");
  await expect(page.locator(".empty")).toContainText("match these filters");
  await expect(page).toHaveURL(/min=14s/);
  await page.getByRole("link", { name: "Show all traces" }).click();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
});

test("the back link of a trace returns to the list with its filters", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces?service=gateway&min=1us");
  await page.locator(".trace-list a").first().click();
  await expect(page.getByRole("treeitem").first()).toBeVisible();
  const release = await hold(page, "**/zipkin/api/v2/traces?*");
  const searched = page.waitForRequest("**/zipkin/api/v2/traces?*");
  await page.getByRole("link", { name: "← Traces" }).click();
  await expect(page).toHaveURL(/min=1us&service=gateway/);
  expect((await searched).url()).toContain("serviceName=gateway");
  // The earlier results of the same search are shown before the response arrives.
  await expect(page.locator(".trace-list li").first()).toBeVisible();
  await page.getByLabel("max duration").fill("14s");
  await page.getByLabel("max duration").press("Tab");
  await expect(page.getByRole("status")).toHaveText("Searching…");
  await expect(page.locator(".trace-list li")).toHaveCount(0);
  release();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
});

test("late suggestions do not change the text being typed", async ({ page }) => {
  const release = await hold(page, "**/zipkin/api/v2/spans?*");
  await page.goto("/#/traces?service=gateway");
  const name = page.getByLabel("span name");
  await name.pressSequentially("get /api");
  release();
  await expect(page.locator("#name-options option").first()).toBeAttached();
  await expect(name).toHaveValue("get /api");
  await name.press("Tab");
  await expect(page).toHaveURL(/name=get/);
});

test("a pasted traceparent opens its trace, which can be downloaded and opened from the file", async ({
  page,
}) => {
  const id = await newestId();
  await page.goto("/#/traces");
  await page.getByLabel("open trace", { exact: true }).fill(`00-${id}-00f067aa0ba902b7-01`);
  await page.getByRole("button", { name: "Open" }).click();
  await expect(page.getByRole("treeitem")).toHaveCount(21);
  await expect(page.locator(".trace-id code")).toHaveText(id);
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download JSON" }).click();
  const path = await (await saved).path();
  const spans = JSON.parse(readFileSync(path, "utf8"));
  expect(spans).toHaveLength(21);
  await page.goto("/#/traces");
  await page
    .getByLabel("or open a file")
    .setInputFiles({ name: "t.json", mimeType: "application/json", buffer: readFileSync(path) });
  await expect(page.locator(".trace-id")).toContainText("from a file");
  await expect(page.getByRole("treeitem")).toHaveCount(21);
});

test("the waterfall is navigated and collapsed by keyboard, and zoomed by dragging", async ({ page }) => {
  await page.goto(`/#/trace/${await newestId()}`);
  const tree = page.getByRole("tree");
  await tree.focus();
  for (const key of ["j", "ArrowDown", "k"]) await page.keyboard.press(key);
  await expect(page.locator(".row.selected")).toContainText("gateway");
  await expect(page.getByRole("complementary", { name: "Selected span" })).toBeVisible();
  await page.keyboard.press("ArrowLeft");
  await expect(page.getByRole("treeitem")).toHaveCount(1);
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("treeitem")).toHaveCount(21);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("complementary")).toHaveCount(0);

  const box = await page.locator(".ruler").boundingBox();
  if (!box) throw new Error("a ruler");
  await page.mouse.move(box.x + box.width * 0.2, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 10, { steps: 4 });
  await page.mouse.up();
  await expect(page).toHaveURL(/from=\d+/);
  await page.getByRole("button", { name: "Whole trace" }).click();
  await expect(page).not.toHaveURL(/from=/);
});

test("missing parents and clock skew are marked and not corrected", async ({ page }) => {
  await page.goto("/#/traces");
  const file = {
    name: "anomalous.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(ANOMALOUS)),
  };
  await page.getByLabel("or open a file").setInputFiles(file);
  await expect(page.locator(".warning").filter({ hasText: "without its parent span" })).toBeVisible();
  await expect(page.locator(".warning").filter({ hasText: "clocks differ" })).toBeVisible();
  await expect(page.locator(".row .anomaly")).toHaveCount(2);
  await page.goto("/#/traces");
  await page.getByLabel("or open a file").setInputFiles(fileURLToPath(import.meta.url));
  await expect(page.getByRole("alert")).toContainText("is not JSON");
});

test.describe("a missing trace", () => {
  test.use({ allowed: /Failed to load resource/ });

  test("is reported with its cause, and an invalid id is not requested", async ({ page }) => {
    await page.goto(`/#/trace/${"f".repeat(32)}`);
    await expect(page.locator(".failure")).toContainText("Trace not found");
    await page.goto("/#/trace/hello");
    await expect(page.locator(".failure")).toContainText("Invalid trace id");
  });
});
