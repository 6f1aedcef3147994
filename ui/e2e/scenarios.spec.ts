/** Scenarios that the page starts, on a mesh of their own: their faults would disturb the other tests. */

import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { type Mesh, startGateway, startMesh } from "./platform.ts";
import { expect, expectAccessible, test } from "./test.ts";

const SHOTS = fileURLToPath(new URL("../node_modules/.shots", import.meta.url));

const PHONE = { width: 390, height: 844 };

let own: Mesh;

test.beforeAll(async () => {
  own = await startMesh();
});

test.afterAll(async () => {
  await own.stop();
});

async function open(page: Page, url = own.url) {
  await page.goto(`${url}/#/scenarios`);
  const run = page.getByRole("region", { name: "Run", exact: true });
  return { run, choice: page.getByRole("region", { name: "Choice" }), verdict: run.locator(".verdict") };
}

test("a scenario is started, survives a reload, is seen by another page, and is stopped", async ({
  page,
  context,
}) => {
  const { run, choice, verdict } = await open(page);
  await expect(choice.getByRole("heading", { name: "slow-leaf", exact: true })).toBeVisible();
  const others = choice.locator("details");
  await others.locator("summary").click();
  await expect(others).toContainText("kill service-h for 6s");
  await expect(others.getByRole("button")).toHaveCount(0);
  await expectAccessible(page);
  await page.screenshot({ path: `${SHOTS}/scenarios-choice.png`, fullPage: true });

  // The longest: it runs until it is stopped, also on a busy machine.
  await choice.getByRole("button", { name: "Start error-alert" }).click();
  const fault = run
    .getByRole("listitem")
    .filter({ hasText: "fault at=service-e>service-g abort=UNAVAILABLE" });
  await expect(fault).toContainText("planned at 30 s");
  await expect(choice.getByRole("button", { name: "Start store-away" })).toBeDisabled();
  await page.reload();
  await expect(verdict).toContainText(/Running: \d+ s of 420 s/);
  const phases = run.getByRole("listitem").filter({ hasText: "Phases as planned" });
  for (const phase of ["before", "during", "after"]) await expect(phases).toContainText(phase);
  await expect(run.getByRole("listitem").filter({ hasText: "errors rate>0.08" })).toContainText(
    "judged at the end",
  );
  await page.screenshot({ path: `${SHOTS}/scenarios-running.png`, fullPage: true });

  const other = await context.newPage();
  const seen = await open(other);
  await expect(seen.verdict).toContainText("Running");
  await seen.run.getByRole("button", { name: "Stop" }).click();
  await expect(verdict).toHaveText("– Stopped: nothing was judged.");
  await expect(run.getByRole("button", { name: "Stop" })).toHaveCount(0);
  const { faults } = await (await fetch(`${own.url}/api/faults`)).json();
  expect(faults, "faults that remain").toEqual([]);
});

test("a scenario ends with its verdict, and each expectation with what was measured", async ({ page }) => {
  const { run, choice, verdict } = await open(page);
  await choice.getByRole("button", { name: "Start poison-messages" }).click();
  await expect(verdict).toContainText("Running");
  // Whether every request succeeds depends on the machine; the queue does not.
  await expect(verdict).toContainText(/^(✓ Held|✕ Broken)/, { timeout: 90_000 });
  const queue = run.getByRole("listitem").filter({ hasText: "queue dead_lettered==2" });
  await expect(queue).toContainText(/✓ held · end: queue dead_lettered==2 · 2 at \d+s/);
  await expect(run.getByRole("listitem").filter({ hasText: "action poison service-d" })).toHaveCount(2);
  await expectAccessible(page);
  await page.screenshot({ path: `${SHOTS}/scenarios-ended.png`, fullPage: true });
});

test("a broken expectation links its traces, on a phone too", async ({ page }) => {
  await page.route("**/api/scenarios", (route) => route.fulfill({ json: broken() }));
  const { run, verdict } = await open(page);
  await expect(verdict).toHaveText("✕ Broken: an expectation was not met.");
  const expectation = run.getByRole("listitem").filter({ hasText: "errors rate<0.1" });
  await expect(expectation).toContainText("✕ broken · during: errors rate<0.1 · 76 of 200 requests failed");
  await expect(expectation).toContainText("first bad second: 6");
  await expect(expectation.getByRole("link").first()).toHaveAttribute("href", `#/trace/${TRACE}`);
  await expectAccessible(page);
  await page.screenshot({ path: `${SHOTS}/scenarios-broken.png`, fullPage: true });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize(PHONE);
  await expectAccessible(page);
  await page.screenshot({ path: `${SHOTS}/scenarios-broken-phone.png`, fullPage: true });
});

test.describe("a gateway that runs none", () => {
  // Without TRACE_QUERY_URL it has no traces: the browser logs the 503.
  test.use({ allowed: /status of 503/ });

  test("is shown with its reason", async ({ page }) => {
    const gateway = await startGateway(own, {});
    const { choice } = await open(page, gateway.url);
    await expect(page.locator("main")).toContainText(
      "Scenarios cannot be started here: scenarios are off; octet up switches them on.",
    );
    await expect(choice).toHaveCount(0);
    await expectAccessible(page);
    // The page would ask on.
    await page.goto("about:blank");
    await gateway.stop();
  });
});

const TRACE = "5af7183fb1d4cf5f5af7183fb1d4cf5f";

/** A run whose fault is larger than expected. */
function broken() {
  const span = (when: string, fromMs: number, untilMs: number) => ({ when, fromMs, untilMs });
  const seconds = Array.from({ length: 20 }, (_, second) => {
    const isBad = second >= 5 && second < 10;
    return { second, requests: 40, failed: isBad ? 15 : 0, p50Ms: 12, p99Ms: isBad ? 180 : 40 };
  });
  const held = { outcome: "held", firstBadSecond: null, traces: [] };
  const report = {
    title: "A fifth of the calls to a service fail, and its caller tries again: few requests fail",
    round: 1,
    rounds: 1,
    state: "done",
    elapsedMs: 20_000,
    lastingMs: 20_000,
    windows: [
      span("before", 1_000, 5_004),
      span("during", 5_004, 10_120),
      span("after", 10_120, 20_000),
      span("end", 1_000, 20_000),
    ],
    planned: [],
    ledger: [
      {
        kind: "fault",
        what: "at=service-e>service-g abort=UNAVAILABLE share=40%",
        blind: false,
        fromMs: 5_004,
        untilMs: 10_120,
        acted: 76,
        problems: [],
      },
    ],
    expectations: [
      { ...held, when: "before", expected: "errors rate==0", measured: "0 of 160 requests failed (0.00 %)" },
      {
        when: "during",
        expected: "errors rate<0.1",
        outcome: "broken",
        measured: "76 of 200 requests failed (38.00 %)",
        firstBadSecond: 6,
        traces: [TRACE, TRACE.replace(/^5/, "6")],
      },
      { ...held, when: "after", expected: "errors rate==0", measured: "0 of 316 requests failed (0.00 %)" },
      {
        ...held,
        when: "end",
        expected: "alert OctetErrorRate fires",
        outcome: "skipped",
        measured: "there is no Prometheus",
      },
    ],
    seconds,
    verdict: "broken",
    reason: null,
  };
  const plan = { scenario: "error-share", seconds: 20 };
  return {
    available: true,
    scenarios: [{ name: "error-share", title: report.title, seconds: 20, refused: [] }],
    run: { id: "1", plan, state: "done", failure: null, report },
  };
}
