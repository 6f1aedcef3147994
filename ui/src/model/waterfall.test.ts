import { expect, test } from "vitest";
import { commandOf } from "../views/trace/keys.ts";
import { span } from "./testing.ts";
import { buildTrace } from "./trace-tree.ts";
import {
  containsText,
  fitLabel,
  nextWhere,
  positionOf,
  readRange,
  visibleRows,
  visibleSlice,
  zoomed,
} from "./waterfall.ts";
import { isError } from "./zipkin.ts";

const TRACE = buildTrace([
  span("a", { duration: 1_000 }),
  span("b", { parentId: "a", at: 10 }),
  span("c", { parentId: "b", at: 20, tags: { error: "x" } }),
  span("d", { parentId: "a", at: 200 }),
]);
if (!TRACE) throw new Error("a trace");
const names = (nodes: readonly { span: { name: string } }[]) => nodes.map((node) => node.span.name).join("");

test("collapsing hides descendants only", () => {
  const collapsed = TRACE.nodes.find((node) => node.span.name === "b");
  expect(names(visibleRows(TRACE, new Set()))).toBe("abcd");
  expect(names(visibleRows(TRACE, new Set([collapsed?.key ?? ""])))).toBe("abd");
  expect(names(visibleRows(TRACE, new Set([TRACE.nodes[0]?.key ?? ""])))).toBe("a");
});

test("a time range is read from the URL, and an invalid one is the whole trace", () => {
  expect(readRange(TRACE, "100", "300")).toEqual({ from: 100, to: 300 });
  expect(readRange(TRACE, "100", "9000")).toEqual({ from: 100, to: 1_000 });
  for (const [from, to] of [
    [undefined, undefined],
    ["300", "100"],
    ["x", "y"],
    ["5000", "6000"],
  ] as const) {
    expect(readRange(TRACE, from, to)).toEqual({ from: 0, to: 1_000 });
  }
});

test("zooming keeps the selected span in the range", () => {
  const last = TRACE.nodes.find((node) => node.span.name === "d");
  expect(zoomed(TRACE, { from: 0, to: 1_000 }, 0.2, last)).toEqual({ from: 150, to: 350 });
  expect(zoomed(TRACE, { from: 400, to: 800 }, 0.5, last)).toEqual({ from: 500, to: 700 });
});

test("zooming keeps the middle, within the trace", () => {
  expect(zoomed(TRACE, { from: 0, to: 1_000 }, 0.5)).toEqual({ from: 250, to: 750 });
  expect(zoomed(TRACE, { from: 250, to: 750 }, 4)).toEqual({ from: 0, to: 1_000 });
});

test("an interval has a position in percent, clipped to the range", () => {
  expect(positionOf(100, 300, { from: 0, to: 1_000 })).toEqual({ left: 10, width: 20 });
  expect(positionOf(0, 1_000, { from: 250, to: 750 })).toEqual({ left: 0, width: 100 });
  expect(positionOf(0, 100, { from: 250, to: 750 })).toBeUndefined();
});

test("the search for the next error wraps around", () => {
  const isFailed = (node: (typeof TRACE.nodes)[number]) => isError(node.span);
  expect(nextWhere(TRACE.nodes, -1, isFailed)?.span.name).toBe("c");
  expect(nextWhere(TRACE.nodes, 3, isFailed)?.span.name).toBe("c");
  expect(nextWhere(TRACE.nodes, 0, () => false)).toBeUndefined();
});

test("only visible rows of a long list are drawn", () => {
  expect(visibleSlice(5_000, 30, 3_000, 600, 5)).toEqual({ first: 95, last: 125 });
  expect(visibleSlice(3, 30, 0, 600, 5)).toEqual({ first: 0, last: 3 });
});

test("the browser's shortcuts are not handled", () => {
  const key = (name: string, more = {}) =>
    commandOf({ key: name, ctrlKey: false, altKey: false, metaKey: false, ...more });
  expect([key("j"), key("ArrowUp"), key("e"), key("x")]).toEqual(["next", "previous", "error", undefined]);
  expect(key("0", { ctrlKey: true })).toBeUndefined();
});

test("a label goes after its bar, or before it, or on it, or is shortened", () => {
  const label = (space: { before: number; after: number; inside: number }) =>
    fitLabel(["long text", "short"], space, (text) => text.length * 10);
  expect(label({ before: 500, after: 90, inside: 500 })).toEqual({ text: "long text", side: "after" });
  expect(label({ before: 90, after: 89, inside: 500 })).toEqual({ text: "long text", side: "before" });
  expect(label({ before: 0, after: 60, inside: 90 })).toEqual({ text: "long text", side: "inside" });
  expect(label({ before: 0, after: 60, inside: 30 })).toEqual({ text: "short", side: "after" });
});

test("text is found in service, name, tags and events, in any case", () => {
  const [node] =
    buildTrace([
      span("a", { tags: { "http.route": "/api/x" }, annotations: [{ timestamp: 1, value: "retry" }] }),
    ])?.nodes ?? [];
  for (const text of ["SERVICE-A", "route=/API", " retry "])
    expect(node && containsText(node, text), text).toBe(true);
  expect(node && containsText(node, "other")).toBe(false);
});
