/** Texts for an edge's metrics: labels in the graph, and accessible descriptions. */

import { duration, durations, percent, rate } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import type { EdgeMetrics } from "../../model/mesh.ts";
import type { EdgeKind, GraphEdge } from "../../model/topology.ts";

export interface Lines {
  first: string;
  second: string;
}

/** The two lines of an edge's label. */
export function labelLines(metrics: EdgeMetrics, seconds: number): Lines {
  const { p50, p99, queueWait, errors, cancelled } = metrics;
  const trouble =
    errors === 0 && cancelled > 0
      ? `⊘ ${percent(cancelled, metrics.count)}`
      : `${errors > 0 ? "✕ " : ""}${percent(errors, metrics.count)}`;
  const first = `${rate(metrics.count, seconds)} · ${trouble}`;
  if (queueWait?.p50 !== undefined) return { first, second: `wait ${duration(queueWait.p50)}` };
  if (p50 === undefined) return { first, second: "" };
  return { first, second: durations(p50, p99) };
}

/** The width between two nodes, in the graph's units: that of a label with its margins. */
const MAX_WIDTH = 104;

/** The width to squeeze a line to; undefined when it fits. Estimated for the label's font of 12.5 units. */
export function squeezedWidth(text: string): number | undefined {
  const widthOf = (character: string) =>
    /[A-Z_✕⊘%]/.test(character) ? 9 : /[ ·.:]/.test(character) ? 4 : 7.3;
  const width = [...text].reduce((sum, character) => sum + widthOf(character), 0);
  return width > MAX_WIDTH ? MAX_WIDTH : undefined;
}

/** The width of a badge, estimated for its font of 11 units. */
export function badgeWidth(text: string): number {
  return 14 + text.length * 6.2;
}

export const KIND_LABELS: Record<EdgeKind, string> = {
  rpc: "gRPC",
  messaging: "messaging",
  database: "database",
};

/** Title and accessible name of an edge. */
export function edgeDescription(edge: GraphEdge, metrics: EdgeMetrics | undefined, seconds: number): string {
  const name = `${edge.from} to ${edge.to}, ${KIND_LABELS[edge.kind]}`;
  if (!metrics) return `${name}: no traffic`;
  const parts = [`${rate(metrics.count, seconds)}`, errorText(metrics)];
  if (metrics.p50 !== undefined) parts.push(`p50 ${duration(metrics.p50)}, p99 ${duration(metrics.p99)}`);
  if (metrics.queueWait?.p50 !== undefined) parts.push(`queue wait ${duration(metrics.queueWait.p50)}`);
  return `${name}: ${parts.join(", ")}`;
}

/** `no errors`, or the percentage with its codes, and that of cancelled calls. */
export function errorText(metrics: EdgeMetrics): string {
  const { count, errors, propagated, cancelled } = metrics;
  const codes = Object.entries(metrics.codes).map(([code, times]) => `${codeName(code)} × ${times}`);
  const parts = [errors === 0 ? "no errors" : `${percent(errors, count)} errors`];
  if (codes.length > 0) parts[0] += ` (${codes.join(", ")})`;
  if (propagated > 0) parts.push(`${percent(propagated, count)} passed on`);
  if (cancelled > 0) parts.push(`${percent(cancelled, count)} cancelled`);
  return parts.join(", ");
}
