/** Two traces side by side, by the path of services and operations. */

import { operationOf, type SpanNode, type Trace } from "./trace-tree.ts";
import { isError } from "./zipkin.ts";

/** The spans with one path in one trace. */
export interface Side {
  count: number;
  /** Microseconds of all of them. */
  duration: number;
  errors: number;
}

export interface ComparedRow {
  depth: number;
  service: string;
  name: string;
  /** Undefined when the trace has no such span. */
  one: Side | undefined;
  other: Side | undefined;
}

interface Pair {
  depth: number;
  ones: SpanNode[];
  others: SpanNode[];
}

/** A row per path, parents before children, in the order of the first trace. */
export function compareTraces(one: Trace, other: Trace): ComparedRow[] {
  const rows: ComparedRow[] = [];
  const open = pairsOf(one.roots, other.roots, 0).reverse();
  for (let pair = open.pop(); pair; pair = open.pop()) {
    const { depth, ones, others } = pair;
    const first = ones[0] ?? others[0];
    if (!first) continue;
    const { span } = first;
    rows.push({
      depth,
      service: span.service,
      name: operationOf(span),
      one: sideOf(ones),
      other: sideOf(others),
    });
    open.push(...pairsOf(childrenOf(ones), childrenOf(others), depth + 1).reverse());
  }
  return rows;
}

function pairsOf(ones: readonly SpanNode[], others: readonly SpanNode[], depth: number): Pair[] {
  const pairs = new Map<string, Pair>();
  const pairOf = ({ span }: SpanNode) => {
    const key = JSON.stringify([span.service, span.kind, span.name, span.remoteService]);
    const pair = pairs.get(key) ?? { depth, ones: [], others: [] };
    pairs.set(key, pair);
    return pair;
  };
  for (const node of ones) pairOf(node).ones.push(node);
  for (const node of others) pairOf(node).others.push(node);
  return [...pairs.values()];
}

function childrenOf(nodes: readonly SpanNode[]): SpanNode[] {
  return nodes.flatMap((node) => node.children);
}

function sideOf(nodes: readonly SpanNode[]): Side | undefined {
  if (nodes.length === 0) return undefined;
  return {
    count: nodes.length,
    duration: nodes.reduce((sum, { span }) => sum + (span.duration ?? 0), 0),
    errors: nodes.filter(({ span }) => isError(span)).length,
  };
}
