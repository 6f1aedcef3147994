import { expect, test } from "vitest";
import { failedPaths, parseGreetings, parseMissing } from "./greeting.ts";
import { codeName } from "./grpc.ts";
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
