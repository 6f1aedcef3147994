import { expect, test } from "vitest";
import { failedPath, parseGreetings, parseMissing } from "./greeting.ts";
import { codeName } from "./grpc.ts";
import { readPlan, typedPlan } from "./load-plan.ts";
import { reportOf, type Sample, toCsv } from "./load-report.ts";
import { parseDuration, problems, readTraceQuery, searchPath } from "./trace-query.ts";

test("a search is Zipkin's, in microseconds and milliseconds", () => {
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

test("durations are taken with and without a unit", () => {
  expect(["5ms", "300 µs", "300us", "1.5s", "7"].map(parseDuration)).toEqual([
    5_000, 300, 300, 1_500_000, 7_000,
  ]);
  expect(["", "x", "0", "-1ms", "1 h", "1e3"].map(parseDuration)).toEqual(Array(6).fill(undefined));
});

test("what is wrong with a filter is told", () => {
  expect(problems(readTraceQuery({ min: "5ms", max: "1s" }))).toEqual([]);
  expect(problems(readTraceQuery({ min: "soon", max: "later" }))).toHaveLength(2);
  expect(problems(readTraceQuery({ min: "2s", max: "1s" }))).toEqual([
    "The shortest duration is longer than the longest.",
  ]);
});

test("a plan ends after seconds unless a number of requests ends it", () => {
  expect(readPlan(typedPlan({}))).toEqual({
    plan: { users: 25, seconds: 10, requests: undefined, rate: undefined },
  });
  expect(readPlan(typedPlan({ requests: "200" }))).toEqual({
    plan: { users: 25, seconds: undefined, requests: 200, rate: undefined },
  });
});

test("every fault of a plan is told at once", () => {
  const told = readPlan({ users: "0", seconds: "1.5", requests: "x", rate: "-1" });
  expect("problems" in told && told.problems).toHaveLength(4);
  const endless = readPlan({ users: "1", seconds: "", requests: "", rate: "" });
  expect("problems" in endless && endless.problems[0]).toMatch(/^Say when it ends/);
});

const sample = (took: number, more: Partial<Sample> = {}): Sample => ({
  at: took,
  took,
  waited: 1,
  status: "200",
  isGood: true,
  traceId: undefined,
  ...more,
});

test("a failure that comes at once does not make the mesh look fast", () => {
  const failed = sample(0.1, { status: "503", isGood: false });
  const report = reportOf([...[10, 20, 30].map((took) => sample(took)), failed], 2_000);
  expect(report.latency).toMatchObject({ count: 3, least: 10, p99: 30 });
  expect(report).toMatchObject({ count: 4, bad: 1, perSecond: 2, isOnTheWire: true });
  expect(report.statuses).toEqual([
    ["200", 3],
    ["503", 1],
  ]);
  expect(report.slowest[0]?.took).toBe(30);
});

test("of nothing there are no figures, and times without the browser's timings are said to be so", () => {
  expect(reportOf([], 0)).toMatchObject({ latency: undefined, count: 0, perSecond: 0, isOnTheWire: false });
  expect(reportOf([sample(5), sample(6, { waited: undefined })], 10).isOnTheWire).toBe(false);
});

test("no slice of a run lies beyond the run's end", () => {
  const samples = [0, 120, 240, 310].map((at) => sample(5, { at }));
  expect(reportOf(samples, 320).overTime.map(({ at }) => Math.round(at))).toEqual([50, 150, 250, 310]);
});

test("an export has one line a request", () => {
  expect(toCsv([sample(5), sample(6, { waited: undefined, traceId: "ab" })])).toBe(
    "at_ms,took_ms,waited_ms,status,trace_id\n5.0,5.00,1.00,200,\n6.0,6.00,,200,ab\n",
  );
});

test("greetings are read with what is missing of them", () => {
  const [greeting] = parseGreetings({ greeting: [{ service: "a", message: "שָׁלוֹם" }] }) ?? [];
  expect(greeting).toMatchObject({ service: "a", message: "שָׁלוֹם", id: "" });
  expect(parseGreetings({})).toBeUndefined();
  expect(parseMissing("service-b/service-e=UNAVAILABLE, service-c")).toEqual([
    { path: ["service-b", "service-e"], code: "UNAVAILABLE" },
    { path: ["service-c"], code: "UNKNOWN" },
  ]);
  expect(parseMissing(null)).toEqual([]);
});

test("a failure's path is one of known services", () => {
  expect(failedPath("service-b/service-e: gone", ["service-b", "service-e"])).toEqual([
    "service-b",
    "service-e",
  ]);
  expect(failedPath("something: else", ["service-b"])).toEqual([]);
  expect(failedPath("", [])).toEqual([]);
});

test("codes have names, and HTTP statuses stay", () => {
  expect(["14", 4, "503", "odd"].map(codeName)).toEqual(["UNAVAILABLE", "DEADLINE_EXCEEDED", "503", "odd"]);
});
