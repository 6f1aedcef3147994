/** What `/api/mesh` measured, laid over the declared graph. */

import { list, number, record, text } from "./json.ts";
import { type EdgeKind, edgeId, type Graph, type GraphEdge, type GraphNode } from "./topology.ts";

/** Milliseconds; undefined where no span had a duration. */
export interface Percentiles {
  p50: number | undefined;
  p99: number | undefined;
}

export interface Figures extends Percentiles {
  count: number;
  errors: number;
  /** Calls by gRPC code (a number as text) or HTTP status, where they failed. */
  codes: Record<string, number>;
  /** Between the end of publishing and the begin of consuming. */
  queueWait: Percentiles | undefined;
}

export interface MeasuredEdge extends Figures {
  caller: string;
  callee: string;
  kind: EdgeKind;
}

export interface Mesh {
  /** Whether the figures come from some traces of the window, and not from all. */
  sample: boolean;
  traces: number;
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

/** Seconds that the figures cover. */
export function windowSeconds(mesh: Mesh): number {
  return Math.max(mesh.to - mesh.from, 1) / 1000;
}

/** The declared graph, and what else was seen. */
export interface Picture extends Graph {
  figures: ReadonlyMap<string, Figures>;
}

/**
 * Lays figures over the graph. A message's edge has two halves in the picture, publisher to queue and queue to
 * consumer: both carry its count, and the second its durations and its wait.
 */
export function pictureOf(graph: Graph, mesh: Mesh | undefined): Picture {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const edges = new Map(graph.edges.map((edge) => [edge.id, edge]));
  const figures = new Map<string, Figures>();
  for (const measured of mesh?.edges ?? []) {
    for (const { edge, seen } of halves(measured, graph)) {
      if (!edges.has(edge.id)) {
        edges.set(edge.id, edge);
        for (const id of [edge.from, edge.to]) {
          if (!nodes.has(id)) nodes.set(id, { id, kind: kindOf(id, edge) });
        }
      }
      const before = figures.get(edge.id);
      figures.set(edge.id, before ? added(before, seen) : seen);
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()], figures };
}

interface Half {
  edge: GraphEdge;
  seen: Figures;
}

function halves(measured: MeasuredEdge, graph: Graph): Half[] {
  const { caller, callee, kind, ...seen } = measured;
  const direct = { id: edgeId(caller, callee), from: caller, to: callee, kind };
  if (kind !== "messaging") return [{ edge: direct, seen }];
  const queue = queueBetween(graph, caller, callee);
  if (!queue) return [{ edge: direct, seen }];
  const published: Figures = {
    ...seen,
    errors: 0,
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

/** The queue that one service publishes to and another consumes from. */
function queueBetween(graph: Graph, caller: string, callee: string): string | undefined {
  const messaging = graph.edges.filter((edge) => edge.kind === "messaging");
  const published = messaging.filter((edge) => edge.from === caller).map((edge) => edge.to);
  return messaging.find((edge) => edge.to === callee && published.includes(edge.from))?.from;
}

function kindOf(id: string, edge: GraphEdge): GraphNode["kind"] {
  return edge.kind === "database" && edge.to === id ? "database" : "service";
}

function added(one: Figures, other: Figures): Figures {
  const codes = { ...one.codes };
  for (const [code, count] of Object.entries(other.codes)) codes[code] = (codes[code] ?? 0) + count;
  // Percentiles of two groups cannot be added: the slower one's are shown.
  const slower = (other.p99 ?? 0) > (one.p99 ?? 0) ? other : one;
  return { ...slower, count: one.count + other.count, errors: one.errors + other.errors, codes };
}

/** gRPC's CANCELLED: the caller gave up, mostly because a sibling of this call had failed. */
const CANCELLED = "1";

/** Errors that are the edge's own, and not its caller's change of mind. */
export function faults({ errors, codes }: Figures): number {
  return Math.max(0, errors - (codes[CANCELLED] ?? 0));
}

/** The commonest way in which calls over an edge failed; that its caller gave up is told where nothing else is. */
export function commonestCode(figures: Figures): string | undefined {
  const rank = ([code, count]: [string, number]) => (code === CANCELLED ? 0 : count);
  return Object.entries(figures.codes).sort((one, other) => rank(other) - rank(one))[0]?.[0];
}

/** What stands or falls with a node or an edge: itself, what leads to it, and what follows from it. */
export function relatedTo(graph: Graph, selected: string): ReadonlySet<string> {
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
