/** A failure drill: while a service freezes and another is killed, every figure is what the processes counted. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { duration } from "../src/model/format.ts";
import { LOOKBACKS } from "../src/model/route.ts";
import { bounds, type Counted, type Counters, NOTHING, readCounters, sum } from "./counters.ts";
import { type Mesh, pidOf, program, startMesh } from "./platform.ts";
import { expect, test } from "./test.ts";

const USERS = 25;
const SECONDS = 20;

/** The greatest error of a percentile of the collector's histograms (docs/decisions/0024). */
const ERROR_OF_A_PERCENTILE = 0.033;

/** A process that is killed loses the spans of up to so many milliseconds. */
const DELAY_MS = 2_000;

/** One report holds all spans of that time, so that only the time determines when it is sent. */
const SPANS = 100_000;
const VARIABLES = {
  OTEL_BSP_SCHEDULE_DELAY: `${DELAY_MS}`,
  OTEL_BSP_MAX_QUEUE_SIZE: `${SPANS}`,
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: `${SPANS}`,
};

/** The services in the order of the topology, by which `octet up` assigns ports. */
const SERVICES = "abcdefgh".split("").map((letter) => `service-${letter}`);

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
  mesh = await startMesh(VARIABLES);
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
  await page.waitForTimeout(1_000);
  const { counters: killed, lost } = await killWhileServing("service-e", "service-b");
  const report: Report = JSON.parse(await load);
  refreshes.push(Date.now());
  expect(report.outcomes["HTTP 504"], "the frozen service exceeded deadlines").toBeGreaterThan(0);
  expect(report.outcomes["HTTP 503"], "requests were at the killed service").toBeGreaterThan(0);

  const truth = await counts(killed);
  truth.set("gateway>service-a", { calls: report.requests, errors: report.failed, cancelled: 0 });
  truth.set("service-d>service-f", { ...NOTHING, calls: truth.get("service-b>service-d")?.calls ?? 0 });
  expect(truth.size).toBe(8);
  const calls = truth.get("service-e>service-h")?.calls ?? 0;
  // So without the servers that name their caller, these calls would be missing.
  expect(lost / calls, "the share of its calls whose spans E took with it").toBeGreaterThan(0.01);

  let edges: Edge[] = [];
  await expect(async () => {
    const answer = await (await fetch(`${mesh.url}/api/mesh?lookback=${LOOKBACKS["5m"]}`)).json();
    edges = answer.edges;
    expect(answer.droppedSpans).toBe(0);
    agree(edges, truth);
    await tableShows(page, edges);
    // The last spans arrive after their delay, and what lost its caller counts 3 s later.
  }).toPass({ timeout: DELAY_MS + 20_000 });
  await percentilesAgree(edges);
  // The edge is a part of what the client waited for.
  const entry = edges.find(({ caller }) => caller === "gateway");
  expect(entry?.p99).toBeLessThanOrEqual(report.latency.p99_ms * (1 + ERROR_OF_A_PERCENTILE));

  await failuresAreFound(report);
  expect(peakMemory("collector"), "MiB of the collector's memory at its peak").toBeLessThanOrEqual(64 + 32);
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

function countersOf(process: string): Promise<Counters> {
  const base = Number(new URL(mesh.url).port);
  const port = process === "gateway" ? base + 1 : base + 90 + SERVICES.indexOf(process);
  return readCounters(`http://127.0.0.1:${port}`);
}

/**
 * Kills a service that has spans to report, and calls to respond to: it is stopped first, until a call of its caller
 * waits for it. Returns its last counters, and how many of its calls to each upstream it had not reported.
 */
async function killWhileServing(name: string, caller: string): Promise<{ counters: Counters; lost: number }> {
  // Each of its spans is of a call that it serves or makes, and it makes one to each upstream.
  const unreported = ({ ended, served, exported }: Counters) => {
    const spans = [...ended.values()].reduce((sum, count) => sum + count, served.ended);
    return (spans - exported) / (ended.size + 1);
  };
  // Just after a report, the next one is a delay away.
  const { exported } = await countersOf(name);
  const within = { intervals: [20], timeout: SECONDS * 1_000 };
  await expect.poll(async () => (await countersOf(name)).exported, within).toBeGreaterThan(exported);
  let last = await countersOf(name);
  await expect(async () => {
    last = await countersOf(name);
    expect(unreported(last)).toBeGreaterThan(last.served.ended * 0.04);
  }).toPass(within);
  const pid = pidOf(mesh.directory, name);
  process.kill(pid, "SIGSTOP");
  await expect(async () => {
    const { upstreams, ended } = await countersOf(caller);
    expect(upstreams.get(name)?.calls).toBeGreaterThan(ended.get(name) ?? 0);
  }).toPass(within);
  process.kill(pid, "SIGKILL");
  return { counters: last, lost: unreported(last) };
}

/** What the callers counted on every edge: the killed process until shortly before its end, and its successor. */
async function counts(killed: Counters): Promise<Map<string, Counted>> {
  const all = new Map<string, Counted>();
  for (const caller of ["service-a", "service-b", "service-e"]) {
    for (const [upstream, counted] of (await countersOf(caller)).upstreams) {
      const before = caller === "service-e" ? killed.upstreams.get(upstream) : undefined;
      all.set(`${caller}>${upstream}`, sum(before ?? NOTHING, counted));
    }
  }
  // E made some calls after its counters were read. Each time it calls G and H together, and H, which nothing happened to,
  // counted all of them.
  const { served } = await countersOf("service-h");
  for (const edge of ["service-e>service-g", "service-e>service-h"]) {
    const counted = all.get(edge);
    if (counted) all.set(edge, { ...counted, calls: served.started });
  }
  return all;
}

/** Calls, errors and cancelled calls of every edge agree within 1 % of its calls. */
function agree(edges: Edge[], truth: Map<string, Counted>): void {
  const message = edges.find(({ kind }) => kind === "messaging");
  expect(`${message?.caller}>${message?.callee}`).toBe("service-d>service-f");
  for (const [name, expected] of truth) {
    const edge = edges.find(({ caller, callee }) => `${caller}>${callee}` === name);
    const found = { calls: edge?.count ?? 0, errors: edge?.errors ?? 0, cancelled: edge?.cancelled ?? 0 };
    const off = Math.max(
      ...(["calls", "errors", "cancelled"] as const).map((what) => Math.abs(found[what] - expected[what])),
    );
    const seen = `${name}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`;
    expect(off, seen).toBeLessThanOrEqual(expected.calls / 100);
  }
}

/**
 * An edge's p99 is of the same calls as its caller's own histogram, `grpc_client_handling_seconds`, whose buckets bound the
 * exact p99. Beyond these limits only the error of the collector's histogram is allowed. E's own histogram ended with it.
 */
async function percentilesAgree(edges: Edge[]): Promise<void> {
  const callers = ["gateway", "service-a", "service-b"];
  for (const caller of callers) {
    const { durations } = await countersOf(caller);
    for (const [upstream, buckets] of durations) {
      const edge = edges.find((edge) => edge.caller === caller && edge.callee === upstream);
      const [least, most] = bounds(buckets, 99, edge?.count ?? 0);
      const what = `p99 of ${caller} to ${upstream} in milliseconds, by its caller between ${least} and ${most}`;
      expect.soft(edge?.p99, what).toBeGreaterThanOrEqual(least * (1 - ERROR_OF_A_PERCENTILE));
      expect.soft(edge?.p99, what).toBeLessThanOrEqual(most * (1 + ERROR_OF_A_PERCENTILE));
    }
  }
}

/** The resident memory of a process at its peak, in MiB. */
function peakMemory(process: string): number {
  const status = readFileSync(`/proc/${pidOf(mesh.directory, process)}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** The table shows the same figures. */
async function tableShows(page: Page, edges: Edge[]): Promise<void> {
  const rows = await page.locator("tbody tr").evaluateAll((rows) =>
    rows.map((row) => ({
      name: row.querySelector("button")?.ariaLabel,
      cells: [...row.querySelectorAll("td")].map((cell) => cell.textContent ?? ""),
    })),
  );
  for (const { caller, callee, kind, count, errors, cancelled, p99 } of edges) {
    // A message has two rows, with the queue between them.
    if (kind === "messaging") continue;
    const cells = rows.find(({ name }) => name === `${caller} to ${callee}`)?.cells;
    expect(cells?.[3], `calls from ${caller} to ${callee}`).toBe(count.toLocaleString("en"));
    const shown = errors > 0 ? `${errors.toLocaleString("en")} ·` : "0 %";
    expect(cells?.[5], `errors from ${caller} to ${callee}`).toContain(shown);
    expect(cells?.[7], `cancelled calls from ${caller} to ${callee}`).toContain(
      cancelled.toLocaleString("en"),
    );
    expect(cells?.[9], `p99 from ${caller} to ${callee}`).toBe(duration(p99));
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
