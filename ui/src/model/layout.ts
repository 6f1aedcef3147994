/** Positions of nodes and edges: left to right, each caller left of its upstreams. */

import { Graph as DagreGraph, layout } from "@dagrejs/dagre";
import type { Graph, NodeKind } from "./topology.ts";

export interface Box {
  /** The centre. */
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Layout {
  width: number;
  height: number;
  nodes: ReadonlyMap<string, Box>;
  edges: ReadonlyMap<string, { points: Point[]; label: Point }>;
}

/** Size of an edge's label of two lines, in the graph's units. */
export const LABEL = { width: 92, height: 36 };

const HEIGHT: Record<NodeKind, number> = { gateway: 40, service: 40, queue: 40, database: 46 };

/** Fits a name in a sans-serif font of 14 units. */
function widthOf(id: string): number {
  return Math.max(84, Math.min(190, 22 + shortName(id).length * 7.5));
}

/** Long names end in an ellipsis; the title and the panel have the full name. */
export function shortName(id: string): string {
  return id.length > 21 ? `${id.slice(0, 20)}…` : id;
}

export function layoutOf(graph: Graph): Layout {
  const dagre = new DagreGraph();
  dagre.setGraph({ rankdir: "LR", nodesep: 34, edgesep: 18, ranksep: 36, marginx: 12, marginy: 12 });
  for (const { id, kind } of graph.nodes) {
    dagre.setNode(id, { width: widthOf(id), height: HEIGHT[kind] });
  }
  for (const { from, to } of graph.edges) dagre.setEdge(from, to, { ...LABEL, labelpos: "c" });
  layout(dagre);

  const nodes = new Map<string, Box>();
  for (const { id } of graph.nodes) {
    const { x = 0, y = 0, width = 0, height = 0 } = dagre.node(id);
    nodes.set(id, { x, y, width, height });
  }
  const halfWidth = rankWidths(nodes.values());
  const edges = new Map<string, { points: Point[]; label: Point }>();
  for (const { id, from, to } of graph.edges) {
    const { points = [], x = 0, y = 0 } = dagre.edge(from, to);
    const between = points.slice(1, -1).map((point: Point) => ({ x: point.x, y: point.y }));
    edges.set(id, {
      points: edgePoints(nodes.get(from), nodes.get(to), between, halfWidth),
      label: { x, y },
    });
  }
  const { width = 0, height = 0 } = dagre.graph();
  return { width, height, nodes, edges };
}

/**
 * From side to side, and horizontal through every rank of nodes or labels: dagre keeps lanes free there, and the curve
 * between two lanes is in the gap between two ranks, where nothing else is.
 */
function edgePoints(
  from: Box | undefined,
  to: Box | undefined,
  between: Point[],
  halfWidth: (x: number) => number,
): Point[] {
  if (!from || !to) return [];
  // An edge that closes a cycle goes from right to left.
  const direction = from.x <= to.x ? 1 : -1;
  const lanes = between.flatMap(({ x, y }) => [
    { x: x - direction * halfWidth(x), y },
    { x: x + direction * halfWidth(x), y },
  ]);
  return [
    { x: from.x + (direction * from.width) / 2, y: from.y },
    { x: from.x + direction * halfWidth(from.x), y: from.y },
    ...lanes,
    { x: to.x - direction * halfWidth(to.x), y: to.y },
    { x: to.x - (direction * to.width) / 2, y: to.y },
  ];
}

/** Half the width of the rank at `x`: of its widest node, or of a label. */
function rankWidths(nodes: Iterable<Box>): (x: number) => number {
  const widths = new Map<number, number>();
  for (const { x, width } of nodes) {
    const rank = Math.round(x);
    widths.set(rank, Math.max(widths.get(rank) ?? 0, width / 2));
  }
  return (x) => widths.get(Math.round(x)) ?? LABEL.width / 2;
}

/** A smooth SVG path through points, horizontal at each of them. */
export function pathThrough(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first || rest.length === 0) return "";
  let before = first;
  let path = `M${first.x.toFixed(1)} ${first.y.toFixed(1)}`;
  for (const point of rest) {
    const turn = ((before.x + point.x) / 2).toFixed(1);
    const end = `${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
    path +=
      before.y === point.y
        ? `L${end}`
        : `C${turn} ${before.y.toFixed(1)} ${turn} ${point.y.toFixed(1)} ${end}`;
    before = point;
  }
  return path;
}

/** Identifies a layout: it depends on nodes and edges, not on their metrics. */
export function layoutKey(graph: Graph): string {
  return JSON.stringify([graph.nodes.map((node) => node.id), graph.edges.map((edge) => edge.id)]);
}
