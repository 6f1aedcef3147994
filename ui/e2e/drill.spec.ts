/** A failure drill: while a service freezes and another is killed, every figure is what the processes counted. */

import { spawn } from "node:child_process";
import type { Page } from "@playwright/test";
import { LOOKBACKS } from "../src/model/route.ts";
import { type Mesh, pidOf, program, startMesh } from "./platform.ts";
import { expect, test } from "./test.ts";

const USERS = 25;
const SECONDS = 20;

/** The greatest error of a percentile of the collector's histograms (docs/decisions/0024). */
const ERROR_OF_A_PERCENTILE = 0.033;

/** The services in the order of the topology, by which `octet up` assigns ports. */
const SERVICES = "abcdefgh".split("").map((letter) => `service-${letter}`);

/** What one edge counts. */
interface Counted {
  calls: number;
  errors: number;
  cancelled: number;
}

interface Edge {
  caller: string;
  callee: string;
  kind: string;
  count: number;
  errors: number;
  cancelled: number;
  p99: number;
}

interface Report {
  requests: number;
  failed: number;
  outcomes: Record<string, number>;
  latency: { p99_ms: number };
  failures: { outcome: string; trace_id: string | null }[];
}

test.use({ trace: "off", allowed: /status of 50[34]/ });
test.setTimeout(180_000);

let mesh: Mesh;
test.beforeAll(async () => {
  mesh = await startMesh();
});
test.afterAll(() => mesh?.stop());

test("in a drill the page, /api/mesh, the load's report and the processes' own counters agree", async ({
  page,
}) => {
  await page.goto(`${mesh.url}/#/mesh?as=table&lookback=5m`);
  await expect(page.locator("tbody tr").first()).toBeVisible();
  const refreshes = refreshesOf(page);
  const load = run([
    "load",
    `${mesh.url}/api/greeting`,
    "-c",
    `${USERS}`,
    "-z",
    `${SECONDS}s`,
    "--format",
    "json",
  ]);
  await page.waitForTimeout(4_000);
  const frozen = pidOf(mesh.directory, "service-g");
  process.kill(frozen, "SIGSTOP");
  await page.waitForTimeout(6_000);
  process.kill(frozen, "SIGCONT");
  await page.waitForTimeout(4_000);
  const killed = await counters("service-e");
  process.kill(pidOf(mesh.directory, "service-e"), "SIGKILL");
  const report: Report = JSON.parse(await load);
  refreshes.push(Date.now());
  expect(report.failed, "the drill caused failures").toBeGreaterThan(0);

  // The last spans arrive within a second, and what lost its caller counts 3 s later.
  await page.waitForTimeout(6_000);
  const truth = await counts(killed);
  truth.set("gateway>service-a", { calls: report.requests, errors: report.failed, cancelled: 0 });
  const answer = await (await fetch(`${mesh.url}/api/mesh?lookback=${LOOKBACKS["5m"]}`)).json();
  const edges: Edge[] = answer.edges;
  expect(answer.droppedSpans).toBe(0);
  const message = edges.find(({ kind }) => kind === "messaging");
  expect(`${message?.caller}>${message?.callee}`).toBe("service-d>service-f");
  truth.set("service-d>service-f", {
    calls: truth.get("service-b>service-d")?.calls ?? 0,
    errors: 0,
    cancelled: 0,
  });
  expect(truth.size).toBe(8);
  for (const [name, expected] of truth) {
    const edge = edges.find(({ caller, callee }) => `${caller}>${callee}` === name);
    const found = { calls: edge?.count ?? 0, errors: edge?.errors ?? 0, cancelled: edge?.cancelled ?? 0 };
    const off = Math.max(
      ...(["calls", "errors", "cancelled"] as const).map((what) => Math.abs(found[what] - expected[what])),
    );
    const seen = `${name}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`;
    expect.soft(off, seen).toBeLessThanOrEqual(expected.calls / 100);
  }
  const entry = edges.find(({ caller }) => caller === "gateway");
  // The edge is a part of what the client waited for; the rest is the gateway's own work and the client's.
  expect(entry?.p99).toBeLessThanOrEqual(report.latency.p99_ms * (1 + ERROR_OF_A_PERCENTILE));
  if (report.latency.p99_ms > 2_000) {
    // The requests of the freeze, beside which that work is small.
    expect(entry?.p99).toBeGreaterThanOrEqual(report.latency.p99_ms * (0.9 - ERROR_OF_A_PERCENTILE));
  }

  await tableShows(page, edges);
  await failuresAreFound(report);
  const gaps = refreshes.slice(1).map((at, index) => at - (refreshes[index] ?? at));
  expect(Math.max(...gaps), `milliseconds between refreshes: ${gaps}`).toBeLessThanOrEqual(6_000);
});

/** The moments at which the page received new figures, from now on. */
function refreshesOf(page: Page): number[] {
  const moments = [Date.now()];
  page.on("response", (response) => {
    if (response.url().includes("/api/mesh?") && response.ok()) moments.push(Date.now());
  });
  return moments;
}

/** Runs `octet` and returns its output. */
function run(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program(), args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (part: Buffer) => {
      text += part.toString();
    });
    child.once("error", reject);
    child.once("close", () => resolve(text));
  });
}

/** A process's calls to each upstream, by its own counters. */
async function counters(caller: string): Promise<Map<string, Counted>> {
  const text = await metrics(caller);
  const found = new Map<string, Counted>();
  for (const line of text.split("\n")) {
    const [, what, labels = "", value] =
      /^grpc_client_(started|handled)_total\{(.*)\} (\d+)$/.exec(line) ?? [];
    if (!what) continue;
    const label = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(labels)?.[1] ?? "";
    const edge = `${caller}>${label("upstream")}`;
    const counted = found.get(edge) ?? { calls: 0, errors: 0, cancelled: 0 };
    const code = label("grpc_code");
    if (what === "started") counted.calls += Number(value);
    else if (code === "Canceled") counted.cancelled += Number(value);
    else if (code !== "OK") counted.errors += Number(value);
    found.set(edge, counted);
  }
  return found;
}

function adminPort(process: string): number {
  const base = Number(new URL(mesh.url).port);
  return process === "gateway" ? base + 1 : base + 90 + SERVICES.indexOf(process);
}

/** What the callers counted on every edge: the killed process until shortly before its end, and its successor. */
async function counts(killed: Map<string, Counted>): Promise<Map<string, Counted>> {
  const all = new Map<string, Counted>();
  for (const caller of ["service-a", "service-b", "service-e"]) {
    for (const [edge, counted] of await counters(caller)) {
      const before = killed.get(edge) ?? { calls: 0, errors: 0, cancelled: 0 };
      all.set(edge, {
        calls: before.calls + counted.calls,
        errors: before.errors + counted.errors,
        cancelled: before.cancelled + counted.cancelled,
      });
    }
  }
  // E made some calls after its counters were read. Each time it calls G and H together, and H, which nothing happened to,
  // counted all of them.
  const calls = served(await metrics("service-h"));
  for (const edge of ["service-e>service-g", "service-e>service-h"]) {
    const counted = all.get(edge);
    if (counted) all.set(edge, { ...counted, calls });
  }
  return all;
}

async function metrics(process: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${adminPort(process)}/metrics`)).text();
}

function served(text: string): number {
  const [, calls] = /^grpc_server_started_total\{.*GreetingService.*\} (\d+)$/m.exec(text) ?? [];
  return Number(calls);
}

/** The table has the same figures, once it shows the answer. */
async function tableShows(page: Page, edges: Edge[]): Promise<void> {
  for (const { caller, callee, kind, count, errors } of edges) {
    // A message has two rows, with the queue between them.
    if (kind === "messaging") continue;
    const edge = page.getByRole("button", { name: `${caller} to ${callee}`, exact: true });
    const row = page.locator("tbody tr", { has: edge });
    await expect(row.locator("td").nth(3), `${caller} to ${callee}, ${kind}`).toHaveText(
      count.toLocaleString("en"),
    );
    const shown = errors > 0 ? `${errors.toLocaleString("en")} ·` : /^0 %$/;
    await expect(row.locator("td").nth(5)).toContainText(shown);
  }
}

/** A search for `error` returns the traces of the failed requests that the client names. */
async function failuresAreFound(report: Report): Promise<void> {
  const query = `annotationQuery=error&lookback=300000&limit=1000`;
  const traces: { traceId: string }[][] = await (
    await fetch(`${mesh.url}/zipkin/api/v2/traces?${query}`)
  ).json();
  const found = new Set(traces.map(([span]) => span?.traceId));
  const named = report.failures.map(({ trace_id }) => trace_id).filter((id) => id !== null);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((id) => !found.has(id))).toEqual([]);
}
