import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { startGateway } from "./platform.ts";
import { expect, greet, hold, mesh, test } from "./test.ts";

test("loading keeps the frame", async ({ page }) => {
  const release = await hold(page, "**/api/topology");
  await page.goto("/");
  await expect(page.getByRole("button", { name: "Send a greeting" })).toBeVisible();
  await expect(page.getByText("Asking for the graph…")).toBeVisible();
  release();
  await expect(page.locator(".node")).toHaveCount(14);
});

test("no traffic is grey and says what to do, and no error rate is made of it", async ({ page }) => {
  await page.route("**/api/mesh?*", (route) =>
    route.fulfill({ json: { sample: false, traces: 0, from: 1, to: 60_001, edges: [] } }),
  );
  await page.goto("/");
  await expect(page.locator(".edge.idle")).toHaveCount(13);
  await expect(page.locator(".note")).toContainText("No traffic in the last minute");
  await expect(page.locator(".vitals")).toContainText("errors–");
});

test("another window shows nothing of the last one's figures, nor says that there was no traffic", async ({
  page,
}) => {
  await greet(1);
  await page.goto("/");
  await expect(page.locator(".edge.live").first()).toBeVisible();
  const release = await hold(page, "**/api/mesh?*");
  await page.getByLabel("last").selectOption("1h");
  await expect(page.locator(".note")).toHaveText("Asking how it does…");
  await expect(page.locator(".vitals")).toContainText("data, 1h–");
  release();
  await expect(page.locator(".edge.live").first()).toBeVisible();
  await expect(page.locator(".vitals")).toContainText("data, 1hnow");
});

test("a panel that is closed gives the focus back to what it told of", async ({ page }) => {
  await page.goto("/");
  const node = page.locator(".node.queue");
  await node.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Close the panel" }).click();
  await expect(page.locator(".panel")).toHaveCount(0);
  await expect(node).toBeFocused();
});

test.describe("trouble", () => {
  test.use({ allowed: /Failed to load resource/ });

  test("a gateway that is away is named, with its address and the likely cause", async ({ page }) => {
    await page.route("**/api/**", (route) => route.abort("connectionrefused"));
    await page.goto("/");
    const failure = page.locator(".failure").first();
    await expect(failure).toContainText("The gateway cannot be reached");
    await expect(failure).toContainText(`${mesh.url}/api/topology`);
    await expect(failure).toContainText("Is “octet up” still running?");
    await page.getByRole("button", { name: "Send a greeting" }).click();
    await expect(page.locator(".outcome .failure")).toContainText("/api/greeting");
  });

  test("figures that cannot be renewed stay, with their age", async ({ page }) => {
    await greet(1);
    await page.goto("/");
    await expect(page.locator(".edge.live").first()).toBeVisible();
    await page.route("**/api/mesh?*", (route) =>
      route.fulfill({
        status: 503,
        json: { code: 14, message: "the trace backend cannot be reached", details: [] },
      }),
    );
    await expect(page.locator(".stale")).toContainText(/does not answer; what is shown is from/);
    await expect(page.locator(".edge.live").first()).toBeVisible();
  });

  test("a failed greeting names the service, its code and the way to it", async ({ page }) => {
    await page.route("**/api/greeting", (route) =>
      route.fulfill({
        status: 503,
        json: { code: 14, message: "service-b/service-e: connection refused", details: [] },
      }),
    );
    await page.goto("/#/greeting");
    await page.getByRole("button", { name: "Submit" }).click();
    await expect(page.locator(".outcome .failure")).toContainText("service-b → service-e");
    await expect(page.locator(".card.failed")).toContainText("UNAVAILABLE");
  });

  test("a partial answer says what is missing", async ({ page }) => {
    await page.route("**/api/greeting", async (route) => {
      const answer = await route.fetch();
      const { greeting } = await answer.json();
      const headers = {
        ...answer.headers(),
        "grpc-metadata-octet-missing": "service-b/service-e=UNAVAILABLE",
      };
      await route.fulfill({
        headers,
        json: { greeting: greeting.filter((one: { service: string }) => !/[egh]$/.test(one.service)) },
      });
    });
    await page.goto("/#/greeting");
    await page.getByRole("button", { name: "Submit" }).click();
    await expect(page.locator(".summary")).toContainText("4 greetings");
    await expect(page.locator(".summary")).toContainText("service-b/service-e is missing: UNAVAILABLE");
    await expect(page.locator(".card.failed h2")).toContainText("service-e");
  });

  test("without a trace backend the graph, greetings and load go on, and the rest says what to set", async ({
    page,
  }) => {
    const bare = await startGateway(mesh, {});
    try {
      await page.goto(bare.url);
      await expect(page.locator(".node")).toHaveCount(14);
      await expect(page.locator(".failure")).toContainText("This gateway knows no trace backend");
      await expect(page.locator(".failure")).toContainText("TRACE_QUERY_URL");
      await page.getByRole("button", { name: "Send a greeting" }).click();
      await expect(page.locator(".summary")).toContainText("7 greetings");
      await expect(page.locator(".summary")).toContainText("no trace");
      await page.goto(`${bare.url}/#/traces`);
      await expect(page.locator(".failure")).toContainText("This gateway knows no trace backend");
    } finally {
      await bare.end();
    }
  });

  test("another Zipkin serves as well, and its figures are called a sample", async ({ page }) => {
    const zipkin = await startZipkin();
    const gateway = await startGateway(mesh, { TRACE_QUERY_URL: zipkin.url });
    try {
      await greet(2);
      await page.goto(gateway.url);
      await expect(page.locator(".note")).toContainText(/^A sample: from the newest \d+ traces/);
      await expect(page.locator(".edge.live").first()).toBeVisible();
      await page.goto(`${gateway.url}/#/traces`);
      await page.locator(".trace-list a").first().click();
      await expect(page.getByRole("treeitem").first()).toBeVisible();
    } finally {
      await gateway.end();
      zipkin.server.close();
    }
  });
});

/** Zipkin's v2 API as a Zipkin has it: without the collector's own question. */
function startZipkin(): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const path = request.url ?? "";
    if (path.startsWith("/api/v2/mesh")) {
      response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not Found</h1>");
      return;
    }
    const answer = await fetch(mesh.collector + path);
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      resolve({ url: `http://127.0.0.1:${port}`, server });
    });
  });
}
