import { expect, test } from "vitest";
import { type LoadLimits, planInput, readPlan, TAB_LIMITS } from "./load-plan.ts";
import { newReport, type Sample, secondsToCsv, toCsv, unbroken } from "./load-report.ts";
import { isActive, parseLoadRuns } from "./load-runs.ts";

const LIMITS: LoadLimits = { ...TAB_LIMITS, users: { min: 1, max: 1_000 } };

test("seconds default to 10 unless a number of requests is set", () => {
  expect(readPlan(planInput({}, LIMITS), LIMITS)).toEqual({
    plan: { users: 25, seconds: 10, requests: undefined, rate: undefined },
  });
  expect(readPlan(planInput({ requests: "200" }, LIMITS), LIMITS)).toEqual({
    plan: { users: 25, seconds: undefined, requests: 200, rate: undefined },
  });
});

test("a tab has at most four users, and says so for a link with more", () => {
  expect(planInput({}, TAB_LIMITS).users).toBe("4");
  const read = readPlan(planInput({ users: "25" }, TAB_LIMITS), TAB_LIMITS);
  expect("problems" in read && read.problems).toEqual(["Users must be a whole number from 1 to 4."]);
});

test("all errors of a plan are reported together", () => {
  const invalid = readPlan({ users: "0", seconds: "1.5", requests: "x", rate: "-1" }, LIMITS);
  expect("problems" in invalid && invalid.problems).toHaveLength(4);
  const endless = readPlan({ users: "1", seconds: "", requests: "", rate: "" }, LIMITS);
  expect("problems" in endless && endless.problems[0]).toMatch(/^Enter seconds, requests or both/);
});

const sample = (took: number, more: Partial<Sample> = {}): Sample => ({
  at: took,
  took,
  waited: 1,
  status: "200",
  ok: true,
  traceId: undefined,
  ...more,
});

test("failed requests are not part of the percentiles of successful ones, and are of all", () => {
  const failed = sample(5_000, { at: 0, status: "504", ok: false, traceId: "ab" });
  const report = newReport([...[10, 20, 30].map((took) => sample(took)), failed], 6_000);
  expect(report.latency).toMatchObject({ count: 3, min: 10, p99: 30 });
  expect(report.all).toMatchObject({ count: 4, p99: 5_000 });
  expect(report).toMatchObject({ count: 4, failed: 1, includesWait: false });
  expect(report.outcomes).toEqual([
    ["200", 3],
    ["504", 1],
  ]);
  expect(report.slowest[0]?.took).toBe(30);
  expect(report.failures).toEqual([{ at: 0, took: 5_000, outcome: "504", traceId: "ab" }]);
});

test("a second without an answer has no latency, and interrupts the line", () => {
  const samples = [
    sample(10, { at: 100 }),
    sample(20, { at: 500 }),
    sample(10, { at: 1_200 }),
    sample(5_000, { at: 300, status: "504", ok: false }),
  ];
  const { seconds } = newReport(samples, 5_500);
  expect(seconds.map(({ second, requests, p99 }) => [second, requests, p99])).toEqual([
    [0, 2, 20],
    [1, 1, 10],
    [2, 0, undefined],
    [3, 0, undefined],
    [4, 0, undefined],
    [5, 1, 5_000],
  ]);
  expect(seconds[5]).toMatchObject({ length: 0.5, errors: [["504", 1]] });
  expect(unbroken(seconds).map((rows) => rows.map((row) => row.second))).toEqual([[0, 1], [5]]);
  expect(unbroken([])).toEqual([]);
  expect(secondsToCsv(seconds.slice(4))).toBe(
    "second,requests,failed,p50_ms,p99_ms\n4,0,0,,\n5,1,1,5000,5000\n",
  );
});

test("a report without samples has no latency, and a missing timing is reported", () => {
  expect(newReport([], 0)).toMatchObject({ latency: undefined, count: 0, perSecond: 0, seconds: [] });
  expect(newReport([sample(5), sample(6, { waited: undefined })], 10).includesWait).toBe(true);
  const failed = sample(6, { waited: undefined, ok: false });
  expect(newReport([sample(5), failed], 10).includesWait).toBe(false);
});

test("examples of a long outage are bounded: the first and the last", () => {
  const samples = Array.from({ length: 200 }, (_, at) => sample(1, { at, ok: false, status: "503" }));
  const at = newReport(samples, 1_000).failures.map((example) => example.at);
  expect(at).toHaveLength(50);
  expect([at[0], at[24], at[25], at[49]]).toEqual([0, 24, 175, 199]);
});

test("the CSV has one line per request", () => {
  expect(toCsv([sample(5), sample(6, { waited: undefined, traceId: "ab" })])).toBe(
    "at_ms,took_ms,waited_ms,status,trace_id\n5.0,5.00,1.00,200,\n6.0,6.00,,200,ab\n",
  );
});

test("a run of the gateway is read with its report", () => {
  const latency = { min_ms: 1, mean_ms: 2, p50_ms: 2, p75_ms: 3, p90_ms: 4, p95_ms: 5, p99_ms: 6, max_ms: 7 };
  const report = {
    state: "running",
    elapsed_seconds: 2.5,
    requests: 3,
    succeeded: 2,
    failed: 1,
    unsent: 4,
    per_second: 1.2,
    outcomes: { "HTTP 200": 2, "HTTP 504": 1 },
    latency,
    success_latency: null,
    histogram: [{ from_ms: 1, to_ms: 1.26, count: 2 }],
    seconds: [
      { second: 0, length: 1, requests: 3, errors: { "HTTP 504": 1 }, p50_ms: 2, p99_ms: 6, max_ms: 7 },
      { second: 1, length: 1, requests: 0, errors: {}, p50_ms: null, p99_ms: null, max_ms: null },
    ],
    slowest: [{ at_ms: 5, latency_ms: 7, outcome: "HTTP 200", trace_id: "ab" }],
    failures: [{ at_ms: 6, latency_ms: 5, outcome: "timeout", trace_id: null }],
  };
  const plan = { users: 25, rate: null, seconds: 10, requests: null, protocol: "http1" };
  const runs = parseLoadRuns({
    available: true,
    limits: { users: { min: 1, max: 1_000 }, timeout_seconds: 15 },
    run: { id: "one", plan, state: "running", failure: null, report },
  });
  expect(runs?.limits?.users).toEqual({ min: 1, max: 1_000 });
  expect(runs?.run).toMatchObject({ id: "one", elapsed: 2_500, unsent: 4, failure: undefined });
  expect(runs?.run?.plan).toEqual({ users: 25, seconds: 10, requests: undefined, rate: undefined });
  expect(runs?.run?.report).toMatchObject({
    latency: undefined,
    all: { count: 3, p99: 6 },
    count: 3,
    failed: 1,
    slowest: [{ at: 5, took: 7, traceId: "ab" }],
    failures: [{ outcome: "timeout", traceId: undefined }],
  });
  expect(runs?.run?.report?.seconds[1]).toMatchObject({ requests: 0, p50: undefined, errors: [] });
});

test("what is not an answer of the gateway is refused, and an empty one is no run", () => {
  for (const json of [undefined, null, [], {}, { available: "yes" }])
    expect(parseLoadRuns(json)).toBeUndefined();
  const runs = parseLoadRuns({ available: false, reason: "off", run: null });
  expect(runs).toEqual({ available: false, reason: "off", limits: undefined, run: undefined });
  expect(parseLoadRuns({ available: true, run: { id: "x", state: "new", plan: {} } })?.run).toBeUndefined();
  expect([isActive("running"), isActive("stopping"), isActive("done"), isActive(undefined)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
