import { expect, test } from "vitest";
import { readThresholds, severityOf } from "./severity.ts";

const metrics = (count: number, errors: number, more = {}) => ({
  count,
  errors,
  propagated: 0,
  cancelled: 0,
  codes: {},
  p50: 1,
  p99: 2,
  queueWait: undefined,
  ...more,
});

test("one error in thousands of calls turns no edge red", () => {
  const severity = (errors: number, more = {}) =>
    severityOf(metrics(6_000, errors, more), readThresholds({}));
  expect([0, 1, 5].map((errors) => severity(errors))).toEqual(["live", "live", "live"]);
  expect([6, 299].map((errors) => severity(errors))).toEqual(["degraded", "degraded"]);
  expect([300, 6_000].map((errors) => severity(errors))).toEqual(["failing", "failing"]);
  expect(severityOf(undefined, readThresholds({}))).toBe("idle");
});

test("an edge that only passes errors on is not as red as their cause", () => {
  const severity = (propagated: number) => severityOf(metrics(100, 50, { propagated }), readThresholds({}));
  expect([0, 45, 46, 50].map(severity)).toEqual(["failing", "failing", "degraded", "degraded"]);
});

test("cancelled calls have their own colour, unless there are errors, too", () => {
  const severity = (errors: number) =>
    severityOf(metrics(1_000, errors, { cancelled: 500 }), readThresholds({}));
  expect([0, 1, 50].map(severity)).toEqual(["cancelled", "degraded", "failing"]);
});

test("thresholds come from the URL, within their range", () => {
  expect(readThresholds({ degraded: "1", failing: "20" })).toEqual({ degraded: 1, failing: 20 });
  for (const text of ["", "x", "-1", "101", "1e9", " "]) {
    expect(readThresholds({ degraded: text, failing: text })).toEqual({ degraded: 0.1, failing: 5 });
  }
  expect(readThresholds({ degraded: "10", failing: "2" })).toEqual({ degraded: 10, failing: 10 });
  expect(severityOf(metrics(10, 0), readThresholds({ degraded: "0" }))).toBe("live");
  expect(severityOf(metrics(1_000_000, 1), readThresholds({ degraded: "0" }))).toBe("degraded");
});
