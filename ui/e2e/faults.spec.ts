/** Faults that the page sets, and replicas, on a mesh of its own: three processes of a leaf. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mesh, startMesh } from "./platform.ts";
import { expect, expectAccessible, greet, test } from "./test.ts";

const SHOTS = fileURLToPath(new URL("../node_modules/.shots", import.meta.url));

const TOPOLOGY = `entry = "edge"

[[service]]
name = "edge"
calls = ["stock", "price"]

[[service]]
name = "stock"
replicas = 3
store = { database = "stock", collection = "greetings" }

[[service]]
name = "price"
`;

let own: Mesh;

const directory = mkdtempSync(join(tmpdir(), "octet-faults-"));

test.beforeAll(async () => {
  const file = join(directory, "mesh.toml");
  writeFileSync(file, TOPOLOGY);
  own = await startMesh({ TOPOLOGY: file });
});

test.afterAll(async () => {
  await own.stop();
  rmSync(directory, { recursive: true });
});

test("a fault is set on an edge and on a node, counts down, acts, and is cleared", async ({ page }) => {
  await page.goto(`${own.url}/#/mesh?select=edge>price&faults=1`);
  const panel = page.getByRole("region", { name: "Faults" });
  await expect(panel.getByLabel("at", { exact: true })).toHaveValue("edge>price");
  await expect(panel).toContainText("No faults are active.");
  await panel.getByRole("button", { name: "Set fault" }).click();
  const faults = panel.getByRole("list", { name: "Active faults" }).getByRole("listitem");
  await expect(faults).toHaveCount(1);
  await expect(faults.first()).toContainText("at=edge>price abort=UNAVAILABLE");
  const left = panel.getByRole("timer").first();
  await expect(left).toHaveText(/^(5:00|4:5\d)$/);
  const before = await left.textContent();
  await expect(left).not.toHaveText(before ?? "");
  expect(await greet(3, own.url), "greetings that fail").toBe(3);
  await expect(faults.first()).toContainText("acted 3 times");

  await page.goto(`${own.url}/#/mesh?select=stock&faults=1`);
  await expect(panel.getByLabel("at", { exact: true })).toHaveValue("stock");
  await panel.getByLabel("effect").selectOption("delay");
  await panel.getByLabel("value").fill("p50=1ms p90=2ms p99=4ms");
  await panel.getByLabel("share").fill("20%");
  await panel.getByRole("button", { name: "Set fault" }).click();
  await expect(faults).toHaveCount(2);
  await expect(faults.first(), "it goes on as it was").toContainText("acted 3 times");
  await expectAccessible(page);
  await page.screenshot({ path: `${SHOTS}/faults.png`, fullPage: true });

  await panel.getByRole("button", { name: /^Clear at=edge>price/ }).click();
  await expect(faults).toHaveCount(1);
  await expect(faults.first()).toContainText("at=stock delay=");
  expect(await greet(3, own.url), "greetings that fail").toBe(0);
  await panel.getByRole("button", { name: "Clear all" }).click();
  await expect(panel).toContainText("No faults are active.");
});

test.describe("what the gateway refuses", () => {
  // The browser logs the 400.
  test.use({ allowed: /status of 400/ });

  test("is shown with its reason, on a phone too", async ({ page }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(`${own.url}/#/mesh?select=stock&faults=1`);
    const panel = page.getByRole("region", { name: "Faults" });
    await panel.getByLabel("share").fill("200%");
    await panel.getByRole("button", { name: "Set fault" }).click();
    await expect(panel.locator(".failure")).toContainText("The request is invalid");
    await expect(panel.locator(".failure")).toContainText("share");
    await page.waitForResponse((response) => response.url().endsWith("/api/faults"));
    await expect(panel.locator(".failure"), "after the list is loaded again").toContainText("share");
    await expectAccessible(page);
    await page.screenshot({ path: `${SHOTS}/faults-phone.png`, fullPage: true });
  });
});

test("replicas have a badge when one is not ready, and a section each in the panel", async ({ page }) => {
  await page.goto(`${own.url}/#/mesh?select=stock`);
  await expect(page.locator(".panel .health h3")).toHaveText(["Process #1", "Process #2", "Process #3"]);
  await fetch(`${own.url}/api/faults?for=1m`, { method: "PUT", body: "at=stock#2 unready=true" });
  try {
    await expect(page.locator('.badge[data-node="stock"]')).toHaveText("✕ 2 of 3 ready");
    await expect(page.locator(".panel .health").nth(1)).toContainText("not ready");
    await expect(page.locator(".panel .health").nth(0)).not.toContainText("not ready");
    await page.screenshot({ path: `${SHOTS}/replicas.png`, fullPage: true });
  } finally {
    await fetch(`${own.url}/api/faults`, { method: "DELETE" });
  }
  await expect(page.locator('.badge[data-node="stock"]')).toHaveCount(0);
});
