/** The metrics of `/api/mesh`, and the declared graph with these metrics. */

import { list, number, record, text } from "./json.ts";
import { type EdgeKind, edgeId, type Graph, type GraphEdge, type GraphNode } from "./topology.ts";

/** Milliseconds; undefined when no span had a duration. */
export interface Percentiles {
  p50: number | undefined;
  p99: number | undefined;
}

export interface EdgeMetrics extends Percentiles {
  count: number;
  /** Failed calls; cancelled ones are not among them. */
  errors: number;
  /** The errors that only pass on the failure of a call that the callee made. */
  propagated: number;
  /** Calls whose caller left before their end: neither errors nor successes. */
  cancelled: number;
  /** Failed calls by gRPC code (a number as text) or HTTP status. */
  codes: Record<string, number>;
  /** From the end of publishing to the start of consuming. */
  queueWait: Percentiles | undefined;
}

export interface MeasuredEdge extends EdgeMetrics {
  caller: string;
  callee: string;
  kind: EdgeKind;
}

export interface Mesh {
  /** Whether the metrics are from some traces of the time range instead of all. */
  sample: boolean;
  traces: number;
  /** The stored traces of the time range; undefined for a sample. */
  kept: number | undefined;
  /** Since when the metrics are complete, in milliseconds since 1970; undefined for a sample. */
  completeSince: number | undefined;
  /** Spans that were lost on their way, so that their calls are missing. */
  droppedSpans: number;
  /** Calls beyond the collector's limits. */
  uncountedCalls: number;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  edges: MeasuredEdge[];
}

const KINDS: readonly EdgeKind[] = ["rpc", "messaging", "database"];

export function parseMesh(json: unknown): Mesh | undefined {
  const body = record(json);
  const edges = list(body?.edges);
  const from = number(body?.from);
  const to = number(body?.to);
  if (!body || !edges || from === undefined || to === undefined) return undefined;
  return {
    sample: body.sample === true,
    traces: number(body.traces) ?? 0,
    kept: number(body.kept),
    completeSince: number(body.completeSince),
    droppedSpans: number(body.droppedSpans) ?? 0,
    uncountedCalls: number(body.uncountedCalls) ?? 0,
    from,
    to,
    edges: edges.map(parseEdge).filter((edge) => edge !== undefined),
  };
}

function parseEdge(json: unknown): MeasuredEdge | undefined {
  const body = record(json);
  const caller = text(body?.caller);
  const callee = text(body?.callee);
  const kind = KINDS.find((known) => known === body?.kind);
  const count = number(body?.count);
  if (!body || !caller || !callee || !kind || count === undefined) return undefined;
  return {
    caller,
    callee,
    kind,
    count,
    errors: number(body.errors) ?? 0,
    propagated: number(body.propagated) ?? 0,
    cancelled: number(body.cancelled) ?? 0,
    codes: parseCodes(body.codes),
    ...parsePercentiles(body),
    queueWait: record(body.queueWait) ? parsePercentiles(record(body.queueWait) ?? {}) : undefined,
  };
}

function parsePercentiles(body: Record<string, unknown>): Percentiles {
  return { p50: number(body.p50), p99: number(body.p99) };
}

function parseCodes(json: unknown): Record<string, number> {
  const entries = Object.entries(record(json) ?? {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, number] => number(entry[1]) !== undefined),
  );
}

/** Seconds that the metrics cover: of a collector that has just started, those since its start. */
export function windowSeconds(mesh: Mesh): number {
  return Math.max(mesh.to - Math.max(mesh.from, mesh.completeSince ?? 0), 1) / 1000;
}

/** The declared graph, and any other nodes and edges seen in traces. */
export interface MeasuredGraph extends Graph {
  metrics: ReadonlyMap<string, EdgeMetrics>;
}

/**
 * Adds metrics to the graph. A messaging edge becomes two edges, publisher to queue and queue to consumer: both have its
 * count, and the second has its durations and queue wait.
 */
export function withMetrics(graph: Graph, mesh: Mesh | undefined): MeasuredGraph {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const edges = new Map(graph.edges.map((edge) => [edge.id, edge]));
  const metrics = new Map<string, EdgeMetrics>();
  for (const measured of mesh?.edges ?? []) {
    for (const { edge, seen } of splitAtQueue(measured, graph)) {
      if (!edges.has(edge.id)) {
        edges.set(edge.id, edge);
        for (const id of [edge.from, edge.to]) {
          if (!nodes.has(id)) nodes.set(id, { id, kind: kindOf(id, edge) });
        }
      }
      const before = metrics.get(edge.id);
      metrics.set(edge.id, before ? merged(before, seen) : seen);
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()], metrics };
}

interface EdgeWithMetrics {
  edge: GraphEdge;
  seen: EdgeMetrics;
}

function splitAtQueue(measured: MeasuredEdge, graph: Graph): EdgeWithMetrics[] {
  const { caller, callee, kind, ...seen } = measured;
  const direct = { id: edgeId(caller, callee), from: caller, to: callee, kind };
  if (kind !== "messaging") return [{ edge: direct, seen }];
  const queue = queueBetween(graph, caller, callee);
  if (!queue) return [{ edge: direct, seen }];
  const published: EdgeMetrics = {
    ...seen,
    errors: 0,
    propagated: 0,
    cancelled: 0,
    codes: {},
    p50: undefined,
    p99: undefined,
    queueWait: undefined,
  };
  return [
    { edge: { id: edgeId(caller, queue), from: caller, to: queue, kind }, seen: published },
    { edge: { id: edgeId(queue, callee), from: queue, to: callee, kind }, seen },
  ];
}

/** The queue between a publisher and a consumer. */
function queueBetween(graph: Graph, caller: string, callee: string): string | undefined {
  const messaging = graph.edges.filter((edge) => edge.kind === "messaging");
  const published = messaging.filter((edge) => edge.from === caller).map((edge) => edge.to);
  return messaging.find((edge) => edge.to === callee && published.includes(edge.from))?.from;
}

function kindOf(id: string, edge: GraphEdge): GraphNode["kind"] {
  return edge.kind === "database" && edge.to === id ? "database" : "service";
}

function merged(one: EdgeMetrics, other: EdgeMetrics): EdgeMetrics {
  const codes = { ...one.codes };
  for (const [code, count] of Object.entries(other.codes)) codes[code] = (codes[code] ?? 0) + count;
  // Percentiles of two groups cannot be merged: the slower group's are shown.
  const slower = (other.p99 ?? 0) > (one.p99 ?? 0) ? other : one;
  return {
    ...slower,
    count: one.count + other.count,
    errors: one.errors + other.errors,
    propagated: one.propagated + other.propagated,
    cancelled: one.cancelled + other.cancelled,
    codes,
  };
}

/** The most frequent error code of an edge. */
export function mostFrequentCode(metrics: EdgeMetrics): string | undefined {
  return Object.entries(metrics.codes).sort(([, one], [, other]) => other - one)[0]?.[0];
}

/** A node or edge with everything upstream and downstream of it. */
export function relatedIds(graph: Graph, selected: string): ReadonlySet<string> {
  const related = new Set([selected]);
  const edge = graph.edges.find((candidate) => candidate.id === selected);
  walk(graph, edge ? edge.to : selected, "from", "to", related);
  walk(graph, edge ? edge.from : selected, "to", "from", related);
  return related;
}

function walk(graph: Graph, start: string, near: "from" | "to", far: "from" | "to", seen: Set<string>): void {
  const visited = new Set<string>();
  const open = [start];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (visited.has(id)) continue;
    visited.add(id);
    seen.add(id);
    for (const edge of graph.edges) {
      if (edge[near] !== id) continue;
      seen.add(edge.id);
      open.push(edge[far]);
    }
  }
}
