import { expect, test } from "vitest";
import { readOrder, sortTraces } from "./trace-sort.ts";
import type { TraceSummary } from "./trace-summary.ts";

const summary = (id: string, start: number, more: Partial<TraceSummary> = {}): TraceSummary => ({
  id,
  title: id,
  start,
  responseTime: 5,
  total: 9,
  spans: 3,
  services: 2,
  errors: 0,
  isIncomplete: false,
  isSkewed: false,
  ...more,
});

const TRACES = [
  summary("a", 1, { responseTime: undefined, total: 90 }),
  summary("b", 2, { errors: 2 }),
  summary("c", 3, { responseTime: 20, spans: 8 }),
];

test("traces are sorted by time, duration, spans and errors, with ties by time", () => {
  const ids = (order: string) =>
    sortTraces(TRACES, order)
      .map(({ id }) => id)
      .join("");
  expect(["newest", "oldest", "slowest", "fastest", "most spans", "most errors"].map(ids)).toEqual([
    "cba",
    "abc",
    "acb",
    "bca",
    "cba",
    "bca",
  ]);
});

test("an unknown order is newest first", () => {
  expect([undefined, "", "toString", "slowest"].map(readOrder)).toEqual([
    "newest",
    "newest",
    "newest",
    "slowest",
  ]);
});
