import { expect, test } from "vitest";
import { keyOf } from "../views/trace/keys.ts";
import { span } from "./testing.ts";
import { buildTrace } from "./trace-tree.ts";
import { nextWhere, placeOf, readWindow, slice, visibleRows, zoomed } from "./waterfall.ts";
import { isError } from "./zipkin.ts";

const TRACE = buildTrace([
  span("a", { duration: 1_000 }),
  span("b", { parentId: "a", at: 10 }),
  span("c", { parentId: "b", at: 20, tags: { error: "x" } }),
  span("d", { parentId: "a", at: 200 }),
]);
if (!TRACE) throw new Error("a trace");
const names = (nodes: readonly { span: { name: string } }[]) => nodes.map((node) => node.span.name).join("");

test("a fold hides all below it, and nothing beside it", () => {
  const folded = TRACE.nodes.find((node) => node.span.name === "b");
  expect(names(visibleRows(TRACE, new Set()))).toBe("abcd");
  expect(names(visibleRows(TRACE, new Set([folded?.key ?? ""])))).toBe("abd");
  expect(names(visibleRows(TRACE, new Set([TRACE.nodes[0]?.key ?? ""])))).toBe("a");
});

test("a part of the time is read from the address, and an impossible one is all of it", () => {
  expect(readWindow(TRACE, "100", "300")).toEqual({ from: 100, to: 300 });
  expect(readWindow(TRACE, "100", "9000")).toEqual({ from: 100, to: 1_000 });
  for (const [from, to] of [
    [undefined, undefined],
    ["300", "100"],
    ["x", "y"],
    ["5000", "6000"],
  ] as const) {
    expect(readWindow(TRACE, from, to)).toEqual({ from: 0, to: 1_000 });
  }
});

test("zooming keeps the middle, and to the trace's ends", () => {
  expect(zoomed(TRACE, { from: 0, to: 1_000 }, 0.5)).toEqual({ from: 250, to: 750 });
  expect(zoomed(TRACE, { from: 250, to: 750 }, 4)).toEqual({ from: 0, to: 1_000 });
});

test("a stretch of time has a place in percent, cut at the window's ends", () => {
  expect(placeOf(100, 300, { from: 0, to: 1_000 })).toEqual({ left: 10, width: 20 });
  expect(placeOf(0, 1_000, { from: 250, to: 750 })).toEqual({ left: 0, width: 100 });
  expect(placeOf(0, 100, { from: 250, to: 750 })).toBeUndefined();
});

test("the next error is found going round", () => {
  const isIt = (node: (typeof TRACE.nodes)[number]) => isError(node.span);
  expect(nextWhere(TRACE.nodes, -1, isIt)?.span.name).toBe("c");
  expect(nextWhere(TRACE.nodes, 3, isIt)?.span.name).toBe("c");
  expect(nextWhere(TRACE.nodes, 0, () => false)).toBeUndefined();
});

test("only rows in sight are drawn of a long list", () => {
  expect(slice(5_000, 30, 3_000, 600, 5)).toEqual({ first: 95, last: 125 });
  expect(slice(3, 30, 0, 600, 5)).toEqual({ first: 0, last: 3 });
});

test("the browser's own keys stay the browser's", () => {
  const key = (name: string, more = {}) =>
    keyOf({ key: name, ctrlKey: false, altKey: false, metaKey: false, ...more });
  expect([key("j"), key("ArrowUp"), key("e"), key("x")]).toEqual(["next", "previous", "error", undefined]);
  expect(key("0", { ctrlKey: true })).toBeUndefined();
});
