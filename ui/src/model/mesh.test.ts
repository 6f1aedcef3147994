import { expect, test } from "vitest";
import { layoutKey, layoutOf } from "./layout.ts";
import { type Mesh, mostFrequentCode, parseMesh, relatedIds, windowSeconds, withMetrics } from "./mesh.ts";
import { parseTopology, roleText, toGraph } from "./topology.ts";

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
const GRAPH = TOPOLOGY ? toGraph(TOPOLOGY) : { nodes: [], edges: [] };

function measured(edges: object[]): Mesh {
  const mesh = parseMesh({ sample: false, traces: 3, from: 0, to: 60_000, edges });
  if (!mesh) throw new Error("a mesh");
  return mesh;
}

test("the gateway, queues and databases are nodes", () => {
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
  expect(roleText(TOPOLOGY?.services[3])).toBe("consumes d.greeting and stores in f.messages");
});

test("invalid topologies are rejected", () => {
  for (const json of [null, {}, { entry: "a" }, { entry: "a", services: [{}] }, []]) {
    expect(parseTopology(json)).toBeUndefined();
  }
});

test("a message counts on both edges of its queue, and the second has its durations", () => {
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
  const { metrics } = withMetrics(GRAPH, measured([{ ...edge, queueWait: { p50: 69, p99: 70 } }]));
  expect(metrics.get("d>d.greeting")).toMatchObject({ count: 4, errors: 0, p50: undefined });
  expect(metrics.get("d.greeting>f")).toMatchObject({
    count: 4,
    errors: 1,
    p50: 1,
    queueWait: { p50: 69, p99: 70 },
  });
});

test("a failed publish is an error on the edge to the queue", () => {
  const failed = {
    caller: "d",
    callee: "d.greeting",
    kind: "messaging",
    count: 2,
    errors: 2,
    codes: { "14": 2 },
  };
  const sent = { caller: "d", callee: "f", kind: "messaging", count: 4, errors: 0, p50: 1, p99: 2 };
  const { metrics, edges } = withMetrics(GRAPH, measured([sent, failed]));
  expect(edges).toHaveLength(GRAPH.edges.length);
  expect(metrics.get("d>d.greeting")).toMatchObject({ count: 6, errors: 2, codes: { "14": 2 } });
  expect(metrics.get("d.greeting>f")).toMatchObject({ count: 4, errors: 0 });
});

test("an edge without traffic has no metrics, rather than zero errors", () => {
  const { metrics } = withMetrics(GRAPH, measured([]));
  expect(metrics.get("a>b")).toBeUndefined();
});

test("edges that are not declared are shown too", () => {
  const measuredGraph = withMetrics(
    GRAPH,
    measured([{ caller: "envoy", callee: "gateway", kind: "rpc", count: 1, errors: 0 }]),
  );
  expect(measuredGraph.nodes.at(-1)).toEqual({ id: "envoy", kind: "service" });
  expect(measuredGraph.metrics.get("envoy>gateway")?.count).toBe(1);
});

test("the most frequent error code is shown", () => {
  const [edge] = measured([
    { caller: "a", callee: "b", kind: "rpc", count: 9, errors: 5, codes: { "4": 1, "14": 4 } },
  ]).edges;
  expect(edge && mostFrequentCode(edge)).toBe("14");
});

test("cancelled and passed on calls are counts of their own", () => {
  const edge = { caller: "a", callee: "b", kind: "rpc", count: 9, errors: 2, propagated: 1, cancelled: 3 };
  const { metrics } = withMetrics(GRAPH, measured([edge]));
  expect(metrics.get("a>b")).toMatchObject({ count: 9, errors: 2, propagated: 1, cancelled: 3 });
});

test("rates use the time range in the response", () => {
  const json = { from: 1_000, to: 31_000, edges: [] };
  const mesh = parseMesh(json);
  expect(mesh && windowSeconds(mesh)).toBe(30);
  // Of a collector that started within the range.
  const young = parseMesh({ ...json, completeSince: 21_000 });
  expect(young && windowSeconds(young)).toBe(10);
  for (const none of [null, {}, { edges: [] }, { from: 1, to: 2, edges: {} }])
    expect(parseMesh(none)).toBeUndefined();
  expect(
    parseMesh({ ...json, edges: [{ caller: "a" }, { caller: "a", callee: "b", kind: "odd", count: 1 }] })
      ?.edges,
  ).toEqual([]);
});

test("a selection includes everything upstream and downstream, and no siblings", () => {
  const related = relatedIds(GRAPH, "a>b");
  for (const id of ["gateway", "gateway>a", "a", "a>b", "b", "b>b.greetings", "b.greetings"]) {
    expect(related.has(id), id).toBe(true);
  }
  for (const id of ["d", "a>d", "f"]) expect(related.has(id), id).toBe(false);
  expect(relatedIds(GRAPH, "d.greeting").has("f.messages")).toBe(true);
});

test("callers are left of their upstreams, nodes do not overlap, and metrics do not change the layout", () => {
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
  const busy = withMetrics(GRAPH, measured([{ caller: "a", callee: "b", kind: "rpc", count: 1, errors: 1 }]));
  expect(layoutKey(busy)).toBe(layoutKey(GRAPH));
});
