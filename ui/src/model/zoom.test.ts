import { expect, test } from "vitest";
import { anchoredScroll, formatZoom, MAX_SCALE, readZoom, scaleOf } from "./zoom.ts";

const GRAPH = { width: 1_600, height: 500 };

test("the default fits the graph unless the labels would be illegible", () => {
  expect(scaleOf(undefined, GRAPH, { width: 1_280, height: 600 })).toBe(0.8);
  expect(scaleOf(undefined, GRAPH, { width: 360, height: 600 })).toBe(0.7);
});

test("fit shows all of the graph in any frame", () => {
  for (const frame of [
    { width: 360, height: 600 },
    { width: 1_280, height: 200 },
  ]) {
    const scale = scaleOf("fit", GRAPH, frame);
    expect(GRAPH.width * scale).toBeLessThanOrEqual(frame.width);
    expect(GRAPH.height * scale).toBeLessThanOrEqual(frame.height);
  }
});

test("a zoom is read from the URL within its limits, and anything else is the default", () => {
  expect(readZoom("1.5")).toBe(1.5);
  expect(readZoom("fit")).toBe("fit");
  expect(readZoom("99")).toBe(MAX_SCALE);
  for (const text of [undefined, "", "large", "NaN"]) expect(readZoom(text), text).toBeUndefined();
  expect(readZoom("1.23456")).toBe(1.23);
  expect([formatZoom(1.5), formatZoom("fit"), formatZoom(undefined)]).toEqual(["1.5", "fit", undefined]);
});

test("a visible point keeps its place in the frame, and another one moves to the middle", () => {
  // At scale 1 the point 150 is 50 from the left edge, and at scale 2, too: 300 - 250.
  expect(anchoredScroll(150, 100, 400, 1, 2)).toBe(250);
  expect(anchoredScroll(900, 100, 400, 1, 2)).toBe(1_600);
});
