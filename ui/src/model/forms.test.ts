import { expect, test } from "vitest";
import { failedPaths, parseGreetings, parseMissing } from "./greeting.ts";
import { codeName } from "./grpc.ts";
import { planInput, readPlan } from "./load-plan.ts";
import { newReport, type Sample, toCsv } from "./load-report.ts";
import { parseDuration, problems, readTraceQuery, searchPath } from "./trace-query.ts";

test("a search has Zipkin's parameters, in microseconds and milliseconds", () => {
  const query = readTraceQuery({
    service: "a",
    name: "GET /X",
    tag: "error",
    min: "5ms",
    lookback: "5m",
    limit: "20",
  });
  expect(searchPath(query)).toBe(
    "/zipkin/api/v2/traces?serviceName=a&spanName=get+%2Fx&annotationQuery=error&minDuration=5000&lookback=300000&limit=20",
  );
  expect(searchPath(readTraceQuery({ max: "1s" }))).toContain("minDuration=1&maxDuration=1000000");
  expect(searchPath(readTraceQuery({ limit: "1e9", lookback: "x" }))).toBe(
    "/zipkin/api/v2/traces?lookback=900000&limit=50",
  );
});

test("durations are parsed with and without a unit", () => {
  expect(["5ms", "300 µs", "300us", "1.5s", "7"].map(parseDuration)).toEqual([
    5_000, 300, 300, 1_500_000, 7_000,
  ]);
  expect(["", "x", "0", "-1ms", "1 h", "1e3"].map(parseDuration)).toEqual(Array(6).fill(undefined));
});

test("invalid filters are reported", () => {
  expect(problems(readTraceQuery({ min: "5ms", max: "1s" }))).toEqual([]);
  expect(problems(readTraceQuery({ min: "soon", max: "later" }))).toHaveLength(2);
  expect(problems(readTraceQuery({ min: "2s", max: "1s" }))).toEqual([
    "Min duration is greater than max duration.",
  ]);
});

test("seconds default to 10 unless a number of requests is set", () => {
  expect(readPlan(planInput({}))).toEqual({
    plan: { users: 25, seconds: 10, requests: undefined, rate: undefined },
  });
  expect(readPlan(planInput({ requests: "200" }))).toEqual({
    plan: { users: 25, seconds: undefined, requests: 200, rate: undefined },
  });
});

test("all errors of a plan are reported together", () => {
  const invalid = readPlan({ users: "0", seconds: "1.5", requests: "x", rate: "-1" });
  expect("problems" in invalid && invalid.problems).toHaveLength(4);
  const endless = readPlan({ users: "1", seconds: "", requests: "", rate: "" });
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

test("failed requests are not part of the percentiles", () => {
  const failed = sample(0.1, { status: "503", ok: false });
  const report = newReport([...[10, 20, 30].map((took) => sample(took)), failed], 2_000);
  expect(report.latency).toMatchObject({ count: 3, min: 10, p99: 30 });
  expect(report).toMatchObject({ count: 4, failed: 1, perSecond: 2, includesWait: false });
  expect(report.statuses).toEqual([
    ["200", 3],
    ["503", 1],
  ]);
  expect(report.slowest[0]?.took).toBe(30);
});

test("a report without samples has no latency, and a missing timing is reported", () => {
  expect(newReport([], 0)).toMatchObject({ latency: undefined, count: 0, perSecond: 0, includesWait: false });
  expect(newReport([sample(5), sample(6, { waited: undefined })], 10).includesWait).toBe(true);
  const failed = sample(6, { waited: undefined, ok: false });
  expect(newReport([sample(5), failed], 10).includesWait).toBe(false);
});

test("no slice is after the end of the run", () => {
  const samples = [0, 120, 240, 310].map((at) => sample(5, { at }));
  expect(newReport(samples, 320).overTime.map(({ at }) => Math.round(at))).toEqual([50, 150, 250, 310]);
});

test("the CSV has one line per request", () => {
  expect(toCsv([sample(5), sample(6, { waited: undefined, traceId: "ab" })])).toBe(
    "at_ms,took_ms,waited_ms,status,trace_id\n5.0,5.00,1.00,200,\n6.0,6.00,,200,ab\n",
  );
});

test("greetings and missing upstreams are parsed", () => {
  const [greeting] = parseGreetings({ greeting: [{ service: "a", message: "שָׁלוֹם" }] }) ?? [];
  expect(greeting).toMatchObject({ service: "a", message: "שָׁלוֹם", id: "" });
  expect(parseGreetings({})).toBeUndefined();
  expect(parseMissing("service-b/service-e=UNAVAILABLE, service-c")).toEqual([
    { path: ["service-b", "service-e"], code: "UNAVAILABLE" },
    { path: ["service-c"], code: "UNKNOWN" },
  ]);
  expect(parseMissing(null)).toEqual([]);
});

test("a failure's path contains known services only", () => {
  const known = ["a", "b", "c"];
  expect(failedPaths("a/b: gone: c", known)).toEqual([["a", "b"]]);
  expect(failedPaths("a/b, a/c: deadline passed", known)).toEqual([
    ["a", "b"],
    ["a", "c"],
  ]);
  expect(failedPaths("a/b, other: deadline passed", known)).toEqual([]);
  expect(failedPaths("something: else", known)).toEqual([]);
  expect(failedPaths("", known)).toEqual([]);
});

test("gRPC codes have names, and HTTP statuses stay unchanged", () => {
  expect(["14", 4, "503", "odd"].map(codeName)).toEqual(["UNAVAILABLE", "DEADLINE_EXCEEDED", "503", "odd"]);
});
