import { expect, test } from "vitest";
import { age, duration, durations, durationsOnAxis, percent, rate } from "./format.ts";
import { histogram, logBounds, logTicks, roundBounds, ticks, ticksBetween } from "./histogram.ts";
import { percentile, summary } from "./percentiles.ts";

test("durations have a unit and at most three digits, and unknown ones are a dash", () => {
  expect([0.0841, 0.9999, 5.949, 9.96, 123.4, 999.6, 1_234, 90_000].map(duration)).toEqual([
    "84 µs",
    "1.0 ms",
    "5.9 ms",
    "10 ms",
    "123 ms",
    "1.0 s",
    "1.2 s",
    "1.5 min",
  ]);
  expect(duration(undefined)).toBe("–");
  expect(durations(5.9, 12)).toBe("5.9 · 12 ms");
  expect(durations(0.7, 12)).toBe("700 µs · 12 ms");
  expect(durations(undefined, undefined)).toBe("– · –");
});

test("a low rate is per minute, a high one per second", () => {
  expect([rate(1, 60), rate(0, 60), rate(90, 60), rate(6_000, 60), rate(1, 3_600)]).toEqual([
    "1/min",
    "0/min",
    "1.5/s",
    "100/s",
    "0.02/min",
  ]);
});

test("a percentage is never rounded to 0 or 100 %, and of no calls it is a dash", () => {
  expect([
    percent(0, 10),
    percent(1, 100_000),
    percent(1, 30),
    percent(99_999, 100_000),
    percent(3, 3),
  ]).toEqual(["0 %", "<0.1 %", "3.3 %", ">99.9 %", "100 %"]);
  expect(percent(0, 0)).toBe("–");
});

test("an age is in whole seconds, minutes or hours", () => {
  expect([age(-5), age(1_400), age(11_000), age(600_000), age(8_000_000)]).toEqual([
    "now",
    "now",
    "11 s ago",
    "10 min ago",
    "2 h ago",
  ]);
});

test("percentiles are measured values, by nearest rank", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.9, 0.99, 1].map((share) => percentile(hundred, share))).toEqual([50, 90, 99, 100]);
  expect(percentile([7], 0.99)).toBe(7);
  expect(percentile([], 0.5)).toBeUndefined();
  expect(summary([3, 1, 2])).toMatchObject({ count: 3, min: 1, mean: 2, p50: 2, p99: 3, max: 3 });
  expect(summary([])).toBeUndefined();
});

test("histogram bins are even on a logarithmic scale, empty ones included, and count every value", () => {
  const bins = histogram([1, 1.5, 9.9, 10, 99]);
  expect(bins).toHaveLength(20);
  expect(bins.reduce((sum, bin) => sum + bin.count, 0)).toBe(5);
  expect(bins[0]).toMatchObject({ from: 1, count: 1 });
  expect(bins.some((bin) => bin.count === 0)).toBe(true);
  expect(histogram([0, -1, Number.NaN])).toEqual([]);
});

test("bounds on the axis of a histogram are 1, 2 and 5 times a power of ten", () => {
  const bins = histogram([0.9, 30]);
  expect(roundBounds(bins, 1).map(({ value }) => value)).toEqual([1, 2, 5, 10, 20]);
  expect(roundBounds(bins, 4).map(({ value }) => value)).toEqual([1, 10]);
  expect(roundBounds(bins, 1)[0]?.index).toBe(1);
});

test("a logarithmic axis has round ticks between its ends", () => {
  expect(logBounds(3.4, 5_012)).toEqual([1, 5_012]);
  expect(logTicks(1, 5_012)).toEqual([1, 10, 100, 1_000]);
  expect(logBounds(12, 48)).toEqual([10, 48]);
  expect(logTicks(10, 48)).toEqual([10, 20]);
  expect(logTicks(...logBounds(0.001, 0.001))).toEqual([0.001, 0.002]);
  expect(logBounds(0, 0.1)).toEqual([0.001, 0.1]);
});

test("ticks are round numbers", () => {
  expect(ticks(100, 5)).toEqual([0, 20, 40, 60, 80, 100]);
  expect(ticks(7, 4)).toEqual([0, 2, 4, 6]);
  expect(ticks(0.92, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
  expect(ticks(0, 4)).toEqual([0]);
});

test("ticks of a time range are round, with as many decimals as they need", () => {
  expect(ticksBetween(3_000, 3_090, 3)).toEqual([3_000, 3_050]);
  expect(durationsOnAxis([3, 3.05])).toEqual(["3.00 ms", "3.05 ms"]);
  expect(durationsOnAxis(ticksBetween(10_010, 10_300, 3).map((mark) => mark / 1000))).toEqual([
    "10.1 ms",
    "10.2 ms",
    "10.3 ms",
  ]);
  expect(durationsOnAxis([0, 0.2, 0.4])).toEqual(["0 µs", "200 µs", "400 µs"]);
  expect(durationsOnAxis([0, 2_000, 4_000])).toEqual(["0 s", "2 s", "4 s"]);
  expect(ticksBetween(7, 7, 3)).toEqual([7]);
});
