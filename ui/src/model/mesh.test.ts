import { expect, test } from "vitest";
import { layoutKey, layoutOf, pathThrough } from "./layout.ts";
import { commonestCode, faults, type Mesh, parseMesh, pictureOf, relatedTo, windowSeconds } from "./mesh.ts";
import { graphOf, parseTopology, roleOf } from "./topology.ts";

const service = (name: string, more: object = {}) => ({
  name,
  greeting: `Hello from ${name}`,
  calls: [],
  store: null,
  publishes: null,
  consumes: null,
  ...more,
});

const TOPOLOGY = parseTopology({
  entry: "a",
  order: ["a", "b", "d"],
  services: [
    service("a", { calls: ["b", "d"] }),
    service("b", { store: { database: "b", collection: "greetings" } }),
    service("d", { publishes: "d.greeting" }),
    service("f", { consumes: "d.greeting", store: { database: "f", collection: "messages" } }),
  ],
});
const GRAPH = TOPOLOGY ? graphOf(TOPOLOGY) : { nodes: [], edges: [] };

function measured(edges: object[]): Mesh {
  const mesh = parseMesh({ sample: false, traces: 3, from: 0, to: 60_000, edges });
  if (!mesh) throw new Error("a mesh");
  return mesh;
}

test("the gateway, the queue and each database are nodes of their own", () => {
  expect(GRAPH.nodes.map(({ id, kind }) => `${kind} ${id}`)).toEqual([
    "gateway gateway",
    "service a",
    "service b",
    "service d",
    "service f",
    "database b.greetings",
    "queue d.greeting",
    "database f.messages",
  ]);
  expect(GRAPH.edges.map((edge) => edge.id)).toEqual([
    "gateway>a",
    "a>b",
    "a>d",
    "b>b.greetings",
    "d>d.greeting",
    "f>f.messages",
    "d.greeting>f",
  ]);
  expect(roleOf(TOPOLOGY?.services[3])).toBe("consumes d.greeting and stores in f.messages");
});

test("what is no topology is none", () => {
  for (const json of [null, {}, { entry: "a" }, { entry: "a", services: [{}] }, []]) {
    expect(parseTopology(json)).toBeUndefined();
  }
});

test("a message counts on both sides of its queue, and waits and takes time on the second", () => {
  const edge = {
    caller: "d",
    callee: "f",
    kind: "messaging",
    count: 4,
    errors: 1,
    codes: { "14": 1 },
    p50: 1,
    p99: 2,
  };
  const { figures } = pictureOf(GRAPH, measured([{ ...edge, queueWait: { p50: 69, p99: 70 } }]));
  expect(figures.get("d>d.greeting")).toMatchObject({ count: 4, errors: 0, p50: undefined });
  expect(figures.get("d.greeting>f")).toMatchObject({
    count: 4,
    errors: 1,
    p50: 1,
    queueWait: { p50: 69, p99: 70 },
  });
});

test("a message that could not be published is an error on the way to its queue", () => {
  const failed = {
    caller: "d",
    callee: "d.greeting",
    kind: "messaging",
    count: 2,
    errors: 2,
    codes: { "14": 2 },
  };
  const sent = { caller: "d", callee: "f", kind: "messaging", count: 4, errors: 0, p50: 1, p99: 2 };
  const { figures, edges } = pictureOf(GRAPH, measured([sent, failed]));
  expect(edges).toHaveLength(GRAPH.edges.length);
  expect(figures.get("d>d.greeting")).toMatchObject({ count: 6, errors: 2, codes: { "14": 2 } });
  expect(figures.get("d.greeting>f")).toMatchObject({ count: 4, errors: 0 });
});

test("an edge without traffic has no figures, which is not the same as none failed", () => {
  const { figures } = pictureOf(GRAPH, measured([]));
  expect(figures.get("a>b")).toBeUndefined();
});

test("what was seen and not declared is shown, too", () => {
  const picture = pictureOf(
    GRAPH,
    measured([{ caller: "envoy", callee: "gateway", kind: "rpc", count: 1, errors: 0 }]),
  );
  expect(picture.nodes.at(-1)).toEqual({ id: "envoy", kind: "service" });
  expect(picture.figures.get("envoy>gateway")?.count).toBe(1);
});

test("the commonest way to fail is told first", () => {
  const [edge] = measured([
    { caller: "a", callee: "b", kind: "rpc", count: 9, errors: 5, codes: { "4": 1, "14": 4 } },
  ]).edges;
  expect(edge && commonestCode(edge)).toBe("14");
});

test("a call whose caller gave up is no fault of its edge", () => {
  const edge = { caller: "a", callee: "b", kind: "rpc", count: 9 };
  const [given, mixed] = measured([
    { ...edge, errors: 3, codes: { "1": 3 } },
    { ...edge, errors: 4, codes: { "1": 3, "14": 1 } },
  ]).edges;
  expect([given && faults(given), mixed && faults(mixed)]).toEqual([0, 1]);
  expect([given && commonestCode(given), mixed && commonestCode(mixed)]).toEqual(["1", "14"]);
});

test("rates are over the window that the answer names", () => {
  const json = { from: 1_000, to: 31_000, edges: [] };
  const mesh = parseMesh(json);
  expect(mesh && windowSeconds(mesh)).toBe(30);
  for (const none of [null, {}, { edges: [] }, { from: 1, to: 2, edges: {} }])
    expect(parseMesh(none)).toBeUndefined();
  expect(
    parseMesh({ ...json, edges: [{ caller: "a" }, { caller: "a", callee: "b", kind: "odd", count: 1 }] })
      ?.edges,
  ).toEqual([]);
});

test("what leads to a selection and what follows from it belongs to it, and its siblings do not", () => {
  const related = relatedTo(GRAPH, "a>b");
  for (const id of ["gateway", "gateway>a", "a", "a>b", "b", "b>b.greetings", "b.greetings"]) {
    expect(related.has(id), id).toBe(true);
  }
  for (const id of ["d", "a>d", "f"]) expect(related.has(id), id).toBe(false);
  expect(relatedTo(GRAPH, "d.greeting").has("f.messages")).toBe(true);
});

test("callers are left of whom they call, nothing overlaps, and the figures change nothing", () => {
  const layout = layoutOf(GRAPH);
  const boxes = [...layout.nodes];
  for (const { from, to } of GRAPH.edges) {
    const [left, right] = [layout.nodes.get(from), layout.nodes.get(to)];
    expect((left?.x ?? 0) + (left?.width ?? 0) / 2, `${from} before ${to}`).toBeLessThan(
      (right?.x ?? 0) - (right?.width ?? 0) / 2,
    );
  }
  for (const [one, a] of boxes) {
    for (const [other, b] of boxes) {
      if (one >= other) continue;
      const isApart =
        Math.abs(a.x - b.x) * 2 >= a.width + b.width || Math.abs(a.y - b.y) * 2 >= a.height + b.height;
      expect(isApart, `${one} and ${other}`).toBe(true);
    }
  }
  const busy = pictureOf(GRAPH, measured([{ caller: "a", callee: "b", kind: "rpc", count: 1, errors: 1 }]));
  expect(layoutKey(busy)).toBe(layoutKey(GRAPH));
});

test("a line is level through its label", () => {
  const { points, label } = layoutOf(GRAPH).edges.get("a>b") ?? { points: [], label: { x: 0, y: 0 } };
  expect(points.filter((point) => point.y === label.y).length).toBeGreaterThanOrEqual(2);
  expect(pathThrough(points)).toMatch(/^M[\d.]+ [\d.]+([LC][\d. ]+)+$/);
  expect(pathThrough([])).toBe("");
});
