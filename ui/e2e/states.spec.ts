import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { startGateway } from "./platform.ts";
import { expect, greet, hold, mesh, test } from "./test.ts";

test("the controls are there while the topology loads", async ({ page }) => {
  const release = await hold(page, "**/api/topology");
  await page.goto("/");
  await expect(page.getByRole("button", { name: "Send a greeting" })).toBeVisible();
  await expect(page.getByText("Loading the topology…")).toBeVisible();
  release();
  await expect(page.locator(".node")).toHaveCount(14);
});

test("without traffic the graph is grey, and the error rate is a dash", async ({ page }) => {
  await page.route("**/api/mesh?*", (route) =>
    route.fulfill({ json: { sample: false, traces: 0, from: 1, to: 60_001, edges: [] } }),
  );
  await page.goto("/");
  await expect(page.locator(".edge.idle")).toHaveCount(13);
  await expect(page.locator(".note")).toContainText("No traffic in the last minute");
  await expect(page.locator(".status-bar")).toContainText("errors–");
});

test('another lookback shows neither the old metrics nor "no traffic" while it loads', async ({ page }) => {
  await greet(1);
  await page.goto("/");
  await expect(page.locator(".edge.live").first()).toBeVisible();
  const release = await hold(page, "**/api/mesh?*");
  await page.getByLabel("last").selectOption("1h");
  await expect(page.locator(".note")).toHaveText("Loading metrics…");
  await expect(page.locator(".status-bar")).toContainText("data, 1h–");
  release();
  await expect(page.locator(".edge.live").first()).toBeVisible();
  await expect(page.locator(".status-bar")).toContainText("data, 1hnow");
});

test("closing a panel returns the focus to its node", async ({ page }) => {
  await page.goto("/");
  const node = page.locator(".node.queue");
  await node.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Close panel" }).click();
  await expect(page.locator(".panel")).toHaveCount(0);
  await expect(node).toBeFocused();
});

test.describe("failures", () => {
  test.use({ allowed: /Failed to load resource/ });

  test("an unreachable gateway is reported with its address and the likely cause", async ({ page }) => {
    await page.route("**/api/**", (route) => route.abort("connectionrefused"));
    await page.goto("/");
    const failure = page.locator(".failure").first();
    await expect(failure).toContainText("The gateway cannot be reached");
    await expect(failure).toContainText(`${mesh.url}/api/topology`);
    await expect(failure).toContainText("Is “octet up” still running?");
    await page.getByRole("button", { name: "Send a greeting" }).click();
    await expect(page.locator(".outcome .failure")).toContainText("/api/greeting");
  });

  test("metrics that cannot be refreshed stay, with their age", async ({ page }) => {
    await greet(1);
    await page.goto("/");
    await expect(page.locator(".edge.live").first()).toBeVisible();
    await page.route("**/api/mesh?*", (route) =>
      route.fulfill({
        status: 503,
        json: { code: 14, message: "trace backend unreachable", details: [] },
      }),
    );
    await expect(page.locator(".stale")).toContainText(/is unavailable\. Showing data from/);
    await expect(page.locator(".edge.live").first()).toBeVisible();
  });

  test("a failed greeting names the service, its code and the path", async ({ page }) => {
    await page.route("**/api/greeting/stream", (route) =>
      route.fulfill({
        status: 503,
        json: { code: 14, message: "service-a/service-b/service-e: connection refused", details: [] },
      }),
    );
    // Also when the failure arrives before the topology, without which its services are not known.
    const release = await hold(page, "**/api/topology");
    await page.goto("/#/greeting");
    await page.getByRole("button", { name: "Submit" }).click();
    await expect(page.locator(".outcome .failure")).toContainText("connection refused");
    release();
    await expect(page.locator(".outcome .failure")).toContainText("service-b → service-e");
    await expect(page.locator(".card.failed")).toContainText("UNAVAILABLE");
  });

  test("a gateway without the streaming RPC is asked for the whole response", async ({ page }) => {
    await page.route("**/api/greeting/stream", (route) =>
      route.fulfill({
        status: 404,
        json: { code: 5, message: "no route for /api/greeting/stream", details: [] },
      }),
    );
    await page.goto("/#/greeting");
    await page.getByRole("button", { name: "Submit" }).click();
    await expect(page.locator(".summary")).toContainText("7 greetings");
    await expect(page.locator(".outcome .failure")).toHaveCount(0);
  });

  test("a partial response names the missing service", async ({ page }) => {
    await page.route("**/api/greeting/stream", async (route) => {
      const response = await route.fetch();
      const events = (await response.text()).split("\n\n");
      const body = events
        .filter((event) => !/"service":"service-[egh]"/.test(event))
        .join("\n\n")
        .replace("data: {}", 'data: {"grpc-trailer-octet-missing":"service-b/service-e=UNAVAILABLE"}');
      await route.fulfill({ response, body });
    });
    await page.goto("/#/greeting");
    await page.getByRole("button", { name: "Submit" }).click();
    await expect(page.locator(".summary")).toContainText("4 greetings");
    await expect(page.locator(".summary")).toContainText("service-b/service-e is missing: UNAVAILABLE");
    await expect(page.locator(".card.failed h2")).toContainText("service-e");
  });

  test("without a trace backend the graph and greetings work, and the page names the setting", async ({
    page,
  }) => {
    const bare = await startGateway(mesh, {});
    try {
      await page.goto(bare.url);
      await expect(page.locator(".node")).toHaveCount(14);
      await expect(page.locator(".failure")).toContainText("No trace backend is configured");
      await expect(page.locator(".failure")).toContainText(
        "where OTEL_EXPORTER_* sends spans to a backend of your own",
      );
      await page.getByRole("button", { name: "Send a greeting" }).click();
      await expect(page.locator(".summary")).toContainText("7 greetings");
      await expect(page.locator(".summary")).toContainText("no trace");
      await page.goto(`${bare.url}/#/traces`);
      await expect(page.locator(".failure")).toContainText("No trace backend is configured");
    } finally {
      await bare.stop();
    }
  });

  test("spans that go to a backend of one's own do not look like a mesh without traffic", async ({
    page,
  }) => {
    const elsewhere = await startEmptyBackend();
    const gateway = await startGateway(mesh, {
      TRACE_QUERY_URL: elsewhere.url,
      OTEL_TRACES_EXPORTER: "zipkin",
      OTEL_EXPORTER_ZIPKIN_ENDPOINT: `${mesh.collector}/api/v2/spans`,
    });
    try {
      await page.goto(gateway.url);
      await expect(page.locator(".note")).toContainText("No traffic in the last minute.");
      await page.getByRole("button", { name: "Send a greeting" }).click();
      await expect(page.locator(".note")).toContainText("Waiting for the greeting's spans");
      await expect(page.locator(".note")).toContainText("set the gateway's TRACE_QUERY_URL", {
        timeout: 30_000,
      });
    } finally {
      await gateway.stop();
      elsewhere.server.close();
    }
    const silent = await startGateway(mesh, { TRACE_QUERY_URL: mesh.collector });
    try {
      await page.route("**/api/mesh?*", (route) =>
        route.fulfill({ json: { sample: false, traces: 0, from: 0, to: 60_000, edges: [] } }),
      );
      await page.goto(silent.url);
      await page.getByRole("button", { name: "Send a greeting" }).click();
      await expect(page.locator(".note")).toContainText("set OTEL_TRACES_EXPORTER=zipkin");
    } finally {
      await silent.stop();
    }
  });

  test("another Zipkin server works, and its metrics are labelled as a sample", async ({ page }) => {
    const zipkin = await startZipkin();
    const gateway = await startGateway(mesh, { TRACE_QUERY_URL: zipkin.url });
    try {
      await greet(2);
      await page.goto(gateway.url);
      await expect(page.locator(".note")).toContainText(/^Sample of the newest \d+ traces/);
      await expect(page.locator(".edge.live").first()).toBeVisible();
      await page.goto(`${gateway.url}/#/traces`);
      await page.locator(".trace-list a").first().click();
      await expect(page.getByRole("treeitem").first()).toBeVisible();
    } finally {
      await gateway.stop();
      zipkin.server.close();
    }
  });
});

/** Zipkin's v2 API of a backend that has received nothing. */
function startEmptyBackend(): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const isMesh = (request.url ?? "").startsWith("/api/v2/mesh");
    response.writeHead(isMesh ? 404 : 200, { "content-type": "application/json" }).end("[]");
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      resolve({ url: `http://127.0.0.1:${port}`, server });
    });
  });
}

/** Zipkin's v2 API without the collector's extension `/api/v2/mesh`. */
function startZipkin(): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const path = request.url ?? "";
    if (path.startsWith("/api/v2/mesh")) {
      response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not Found</h1>");
      return;
    }
    // As Zipkin's server does.
    if (/^\/api\/v2\/traceMany\?traceIds=[^,]*$/.test(path)) {
      response.writeHead(400).end("Use /api/v2/trace/{traceId} endpoint to retrieve a single trace");
      return;
    }
    const upstream = await fetch(mesh.collector + path);
    response.writeHead(upstream.status, {
      "content-type": upstream.headers.get("content-type") ?? "text/plain",
    });
    response.end(Buffer.from(await upstream.arrayBuffer()));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      resolve({ url: `http://127.0.0.1:${port}`, server });
    });
  });
}
