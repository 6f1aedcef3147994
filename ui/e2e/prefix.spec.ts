import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, mesh, test } from "./test.ts";

/** A proxy that serves the gateway below `/octet/` and nothing elsewhere. */
function startProxy(): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const path = request.url ?? "";
    if (!path.startsWith("/octet/")) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not below /octet/");
      return;
    }
    // As nginx does with `proxy_pass http://gateway/` and the usual headers.
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const upstream = await fetch(mesh.url + path.slice("/octet".length), {
      method: request.method ?? "GET",
      headers: {
        accept: request.headers.accept ?? "*/*",
        ...(request.headers["content-type"] ? { "content-type": request.headers["content-type"] } : {}),
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-proto": "http",
        "x-forwarded-prefix": "/octet",
      },
      ...(parts.length > 0 ? { body: Buffer.concat(parts) } : {}),
    });
    const headers = Object.fromEntries(upstream.headers);
    // `fetch` has decoded the body.
    for (const name of ["content-encoding", "content-length", "transfer-encoding"]) delete headers[name];
    response.writeHead(upstream.status, headers).end(Buffer.from(await upstream.arrayBuffer()));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      resolve({ url: `http://127.0.0.1:${port}/octet/`, server });
    });
  });
}

test("every view works below a path of a proxy", async ({ page }) => {
  const { url, server } = await startProxy();
  try {
    const paths = new Set<string>();
    page.on("request", (request) => paths.add(new URL(request.url()).pathname));
    await page.goto(url);
    await page.getByRole("button", { name: "Send a greeting" }).click();
    await expect(page.locator(".edge.live").first()).toBeVisible();
    await page.getByRole("link", { name: "open trace" }).click();
    await expect(page.getByRole("treeitem").first()).toBeVisible();
    await page.goto(`${url}#/greeting`);
    await expect(page.getByLabel("API address")).toHaveValue(url.replace(/\/$/, ""));
    await expect(page.locator(".other-api")).toHaveCount(0);
    await page.goto(`${url}#/load?users=2&seconds=&requests=10`);
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.getByText(/^Done: 10/)).toBeVisible();
    await expect(page.locator(".warning")).toHaveCount(0);
    await page.goto(`${url}#/traces`);
    await expect(page.locator(".trace-list li").first()).toBeVisible();
    await page.getByRole("link", { name: "API", exact: true }).click();
    // Its requests, too, go below the proxy's path.
    const path = page.locator('[data-path="/api/greeting"]');
    const operation = page.locator(".swagger-ui .opblock").filter({ has: path });
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Execute" }).click();
    await expect(operation.locator(".live-responses-table .response-col_status").last()).toContainText("200");
    await expect(operation.locator(".request-url")).toContainText(`${url}api/greeting`);
    expect([...paths].filter((path) => !path.startsWith("/octet/"))).toEqual([]);
  } finally {
    server.close();
  }
});
