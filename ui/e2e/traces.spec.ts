import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, hold, mesh, test } from "./test.ts";

const ODD = [
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

/** Of a greeting of its own, all of whose spans have arrived. */
async function newestId(): Promise<string> {
  const answer = await fetch(`${mesh.url}/api/greeting`);
  await answer.text();
  const id = answer.headers.get("traceresponse")?.split("-")[1] ?? "";
  const spans = async () => (await (await fetch(`${mesh.url}/zipkin/api/v2/trace/${id}`)).json()).length;
  await expect.poll(spans).toBe(21);
  return id;
}

test("filters find traces, are kept in the address, and say what is wrong with them", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces");
  await expect(page.locator(".trace-list li").first()).toContainText("gateway · get /api/greeting");
  await expect(page.locator(".scatter circle").first()).toBeVisible();
  await page.getByLabel("shortest").fill("1h");
  await page.getByLabel("shortest").press("Tab");
  await expect(page.getByRole("alert")).toContainText("The shortest duration must be");
  await page.getByLabel("shortest").fill("14s");
  await page.getByLabel("shortest").press("Tab");
  await expect(page.locator(".empty")).toContainText("fits these filters");
  await expect(page).toHaveURL(/min=14s/);
  await page.getByRole("link", { name: "Show all traces" }).click();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
});

test("the way back from a trace leads to the list as it was, with its filters", async ({ page }) => {
  await newestId();
  await page.goto("/#/traces?service=gateway&min=1us");
  await page.locator(".trace-list a").first().click();
  await expect(page.getByRole("treeitem").first()).toBeVisible();
  const release = await hold(page, "**/zipkin/api/v2/traces?*");
  const searched = page.waitForRequest("**/zipkin/api/v2/traces?*");
  await page.getByRole("link", { name: "← Traces" }).click();
  await expect(page).toHaveURL(/min=1us&service=gateway/);
  expect((await searched).url()).toContain("serviceName=gateway");
  // At once, though the answer has not come: it is one to the same question.
  await expect(page.locator(".trace-list li").first()).toBeVisible();
  await page.getByLabel("longest").fill("14s");
  await page.getByLabel("longest").press("Tab");
  await expect(page.getByRole("status")).toHaveText("Searching…");
  await expect(page.locator(".trace-list li")).toHaveCount(0);
  release();
  await expect(page.locator(".trace-list li").first()).toBeVisible();
});

test("names that come late leave what is being typed", async ({ page }) => {
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

test("a pasted traceparent opens its trace, which is downloaded and opened from its file again", async ({
  page,
}) => {
  const id = await newestId();
  await page.goto("/#/traces");
  await page.getByLabel("open", { exact: true }).fill(`00-${id}-00f067aa0ba902b7-01`);
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
    .getByLabel("or a file")
    .setInputFiles({ name: "t.json", mimeType: "application/json", buffer: readFileSync(path) });
  await expect(page.locator(".trace-id")).toContainText("from a file");
  await expect(page.getByRole("treeitem")).toHaveCount(21);
});

test("the waterfall is walked, folded and zoomed by keyboard, and zoomed by dragging", async ({ page }) => {
  await page.goto(`/#/trace/${await newestId()}`);
  const tree = page.getByRole("tree");
  await tree.focus();
  for (const key of ["j", "ArrowDown", "k"]) await page.keyboard.press(key);
  await expect(page.locator(".row.selected")).toContainText("gateway");
  await expect(page.getByRole("complementary", { name: "The selected span" })).toBeVisible();
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

test("what is odd about a trace is marked and left as it is", async ({ page }) => {
  await page.goto("/#/traces");
  const file = { name: "odd.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(ODD)) };
  await page.getByLabel("or a file").setInputFiles(file);
  await expect(page.locator(".warning").filter({ hasText: "without the span that caused it" })).toBeVisible();
  await expect(page.locator(".warning").filter({ hasText: "clocks differ" })).toBeVisible();
  await expect(page.locator(".row .odd")).toHaveCount(2);
  await page.goto("/#/traces");
  await page.getByLabel("or a file").setInputFiles(fileURLToPath(import.meta.url));
  await expect(page.getByRole("alert")).toContainText("is not JSON");
});

test.describe("a trace that is not there", () => {
  test.use({ allowed: /Failed to load resource/ });

  test("says why, and an id that is none is not asked for", async ({ page }) => {
    await page.goto(`/#/trace/${"f".repeat(32)}`);
    await expect(page.locator(".failure")).toContainText("There is no such trace");
    await page.goto("/#/trace/hello");
    await expect(page.locator(".failure")).toContainText("That is no trace id");
  });
});
