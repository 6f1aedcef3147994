/** Where nodes and edges are drawn: left to right, the caller before the called. */

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

/** Room for two lines of figures, in the picture's units. */
export const LABEL = { width: 118, height: 34 };

const HEIGHT: Record<NodeKind, number> = { gateway: 40, service: 40, queue: 40, database: 46 };

/** Wide enough for a name in 13 units of a sans-serif face. */
function widthOf(id: string): number {
  return Math.max(84, Math.min(190, 28 + shortName(id).length * 7.4));
}

/** Long names end in an ellipsis; the whole one is told by a title and the panel. */
export function shortName(id: string): string {
  return id.length > 21 ? `${id.slice(0, 20)}…` : id;
}

export function layoutOf(graph: Graph): Layout {
  const dagre = new DagreGraph();
  dagre.setGraph({ rankdir: "LR", nodesep: 22, edgesep: 14, ranksep: 26, marginx: 12, marginy: 12 });
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
  const edges = new Map<string, { points: Point[]; label: Point }>();
  for (const { id, from, to } of graph.edges) {
    const { points = [], x = 0, y = 0 } = dagre.edge(from, to);
    edges.set(id, { points: points.map((point: Point) => ({ x: point.x, y: point.y })), label: { x, y } });
  }
  const { width = 0, height = 0 } = dagre.graph();
  return { width, height, nodes, edges };
}

/** A smooth line through points, as an SVG path: straight to the first middle, curves between middles. */
export function pathThrough(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (!first || !last) return "";
  const text = ({ x, y }: Point) => `${x.toFixed(1)} ${y.toFixed(1)}`;
  let path = `M${text(first)}`;
  rest.slice(0, -1).forEach((point, index) => {
    const next = rest[index + 1] ?? last;
    const end = index === rest.length - 2 ? next : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    path += `Q${text(point)} ${text(end)}`;
  });
  return rest.length === 1 ? `${path}L${text(last)}` : path;
}

/** The same for the same nodes and edges, whatever their figures. */
export function layoutKey(graph: Graph): string {
  return JSON.stringify([graph.nodes.map((node) => node.id), graph.edges.map((edge) => edge.id)]);
}
