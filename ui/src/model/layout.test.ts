import { expect, test } from "vitest";
import { LABEL, layoutKey, layoutOf, type Point, pathThrough } from "./layout.ts";
import { parseTopology, toGraph } from "./topology.ts";

/** A topology of `count` services with random upstreams, stores and one queue; the same for the same seed. */
function randomGraph(count: number, seed: number) {
  let state = seed;
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
  const names = Array.from({ length: count }, (_, index) => `service-${index}`);
  const topology = parseTopology({
    entry: names[0],
    order: names,
    services: names.map((name, index) => ({
      name,
      greeting: "",
      calls: names.filter((_, other) => other > index && random() < 2.2 / count),
      store: random() < 0.5 ? { database: name, collection: "greetings" } : null,
      publishes: random() < 0.2 ? "queue.greeting" : null,
      consumes: index > count / 2 && random() < 0.2 ? "queue.greeting" : null,
    })),
  });
  if (!topology) throw new Error("invalid topology");
  return toGraph(topology);
}

/** Points on the curve that `pathThrough` draws. */
function sampled(points: readonly Point[]): Point[] {
  return points.slice(1).flatMap((to, index) => {
    const from = points[index] ?? to;
    const middle = (from.x + to.x) / 2;
    return Array.from({ length: 21 }, (_, step) => {
      const t = step / 20;
      const u = 1 - t;
      return {
        x: u ** 3 * from.x + 3 * u * u * t * middle + 3 * u * t * t * middle + t ** 3 * to.x,
        y: (u ** 3 + 3 * u * u * t) * from.y + (3 * u * t * t + t ** 3) * to.y,
      };
    });
  });
}

interface Rect extends Point {
  width: number;
  height: number;
}

function overlap(one: Rect, other: Rect): boolean {
  const tolerance = 0.5;
  return (
    Math.abs(one.x - other.x) * 2 < one.width + other.width - tolerance &&
    Math.abs(one.y - other.y) * 2 < one.height + other.height - tolerance
  );
}

function inside({ x, y }: Point, rect: Rect): boolean {
  return overlap({ x, y, width: 0, height: 0 }, rect);
}

test("nodes and labels do not overlap, and no edge passes behind another node or label", {
  timeout: 60_000,
}, () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const graph = randomGraph(4 + (seed % 9), seed * 77);
    const { nodes, edges } = layoutOf(graph);
    const labels = [...edges].map(([id, { label }]) => ({ id, ...label, ...LABEL }));
    const boxes = [...[...nodes].map(([id, box]) => ({ id, ...box })), ...labels];
    for (const one of boxes) {
      const covered = boxes.filter((other) => other !== one && overlap(one, other)).map(({ id }) => id);
      expect(covered, `seed ${seed}: ${one.id} overlaps`).toEqual([]);
    }
    for (const { id, from, to } of graph.edges) {
      const points = sampled(edges.get(id)?.points ?? []);
      const others = boxes.filter((box) => ![id, from, to].includes(box.id));
      const crossed = others.filter((box) => points.some((point) => inside(point, box))).map((box) => box.id);
      expect(crossed, `seed ${seed}: ${id} crosses`).toEqual([]);
    }
  }
});

test("an edge is horizontal at its label", () => {
  const graph = randomGraph(6, 7);
  const layout = layoutOf(graph);
  for (const { id } of graph.edges) {
    const { points, label } = layout.edges.get(id) ?? { points: [], label: { x: 0, y: 0 } };
    const level = points.filter((point) => Math.abs(point.y - label.y) < 1);
    expect(level.length, id).toBeGreaterThanOrEqual(2);
    expect(pathThrough(points)).toMatch(/^M[\d.]+ [\d.]+([LC][\d. ]+)+$/);
  }
  expect(pathThrough([])).toBe("");
});

test("the layout depends on nodes and edges only", () => {
  expect(layoutKey(randomGraph(5, 3))).toBe(layoutKey(randomGraph(5, 3)));
  expect(layoutKey(randomGraph(5, 3))).not.toBe(layoutKey(randomGraph(6, 3)));
});
