import { expect, test } from "vitest";
import { compareTraces } from "./compare.ts";
import { span } from "./testing.ts";
import { buildTrace } from "./trace-tree.ts";
import type { Span } from "./zipkin.ts";

function compare(one: Span[], other: Span[]) {
  const [left, right] = [buildTrace(one), buildTrace(other)];
  if (!left || !right) throw new Error("no trace");
  return compareTraces(left, right).map(({ depth, name, one, other }) => [
    depth,
    name,
    one?.duration,
    other?.duration,
  ]);
}

test("spans with the same path are in one row, whatever their ids", () => {
  const one = [span("a", { duration: 100 }), span("b", { parentId: "a", duration: 60 })];
  const other = [
    span("1", { duration: 300, service: "service-a", name: "a" }),
    span("2", { parentId: "1", duration: 50, service: "service-b", name: "b" }),
  ];
  expect(compare(one, other)).toEqual([
    [0, "a", 100, 300],
    [1, "b", 60, 50],
  ]);
});

test("a span in one trace only has a row of its own, below its parent", () => {
  const one = [span("a"), span("b", { parentId: "a" }), span("c", { parentId: "b" })];
  const other = [span("a"), span("d", { parentId: "a" })];
  expect(compare(one, other)).toEqual([
    [0, "a", 100, 100],
    [1, "b", 100, undefined],
    [2, "c", 100, undefined],
    [1, "d", undefined, 100],
  ]);
});

test("repeated calls are counted and added up, and errors are counted", () => {
  const call = { parentId: "a", service: "s", name: "call" };
  const one = [span("a"), span("b", { ...call, duration: 10 }), span("c", { ...call, duration: 20 })];
  const other = [span("a"), span("b", { ...call, tags: { error: "" } })];
  const [left, right] = [buildTrace(one), buildTrace(other)];
  const rows = left && right ? compareTraces(left, right) : [];
  expect(rows[1]).toMatchObject({
    one: { count: 2, duration: 30, errors: 0 },
    other: { count: 1, duration: 100, errors: 1 },
  });
});

test("a chain of ten thousand spans does not overflow the stack", () => {
  const chain = Array.from({ length: 10_000 }, (_, index) =>
    span((index + 1).toString(16), index === 0 ? {} : { parentId: index.toString(16) }),
  );
  expect(compare(chain, chain)).toHaveLength(10_000);
});
