import { expect, test } from "vitest";
import { criticalPath } from "./critical-path.ts";
import greetingTrace from "./fixtures/greeting-trace.json";
import { span } from "./testing.ts";
import { buildTrace } from "./trace-tree.ts";
import { parseSpans, type Span } from "./zipkin.ts";

function sections(spans: Span[]): Record<string, [number, number][]> {
  const root = buildTrace(spans)?.roots[0];
  const found = root ? criticalPath(root) : new Map();
  const named = [...found].map(([key, parts]) => {
    const pairs = parts.map(({ from, to }: { from: number; to: number }) => [from, to]);
    return [key.replace(/^0*/, "").split("-")[0], pairs];
  });
  return Object.fromEntries(named);
}

test("a single span is its own critical path", () => {
  expect(sections([span("a", { duration: 10 })])).toEqual({ a: [[0, 10]] });
});

test("of two concurrent spans the slower one is on the path", () => {
  expect(
    sections([
      span("a", { duration: 100 }),
      span("b", { parentId: "a", at: 10, duration: 30 }),
      span("c", { parentId: "a", at: 10, duration: 70 }),
    ]),
  ).toEqual({
    a: [
      [0, 10],
      [80, 100],
    ],
    c: [[10, 80]],
  });
});

test("two sequential spans are both on the path", () => {
  const found = sections([
    span("a", { duration: 100 }),
    span("b", { parentId: "a", at: 10, duration: 30 }),
    span("c", { parentId: "a", at: 50, duration: 40 }),
  ]);
  expect(found).toEqual({
    a: [
      [0, 10],
      [40, 50],
      [90, 100],
    ],
    b: [[10, 40]],
    c: [[50, 90]],
  });
});

test("a consumer is not on the path, and a child counts until its parent's end", () => {
  expect(
    sections([
      span("a", { duration: 100 }),
      span("b", { parentId: "a", at: 20, duration: 500 }),
      span("c", { parentId: "a", at: 30, duration: 60, kind: "CONSUMER" }),
    ]),
  ).toEqual({ a: [[0, 20]], b: [[20, 100]] });
});

test("a child that ended before its parent started, by clock skew, is not on the path", () => {
  expect(
    sections([span("a", { at: 3_000, duration: 100 }), span("b", { parentId: "a", duration: 500 })]),
  ).toEqual({ a: [[3_000, 3_100]] });
});

test("the sections of a recorded greeting add up to its response time", () => {
  const trace = buildTrace(parseSpans(greetingTrace) ?? []);
  const root = trace?.roots[0];
  const total = root
    ? [...criticalPath(root).values()].flat().reduce((sum, { from, to }) => sum + to - from, 0)
    : 0;
  expect(total).toBe(trace?.responseTime);
});
