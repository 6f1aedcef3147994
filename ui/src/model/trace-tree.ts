/** A trace as a tree, and what is odd about it: marked, and never repaired. */

import { isError, type Span } from "./zipkin.ts";

export interface SpanNode {
  /** Unique within its trace, where a client and its server may share a span id. */
  key: string;
  span: Span;
  parent: SpanNode | undefined;
  children: SpanNode[];
  depth: number;
  /** Microseconds after the trace's begin. */
  start: number;
  end: number;
  /** Whether the span that caused it was not reported. */
  parentMissing: boolean;
  /** Microseconds by which it begins before what caused it: the clocks of two hosts differ. */
  skew: number;
  /** Where it lay in a queue before it began, in microseconds after the trace's begin. */
  queueWait: { from: number; to: number } | undefined;
  /** Whether it, or anything below it, has failed. */
  failedBelow: boolean;
}

export interface Trace {
  id: string;
  roots: SpanNode[];
  /** Parents before children, siblings by their begin. */
  nodes: SpanNode[];
  /** Microseconds since 1970. */
  begin: number;
  /** Microseconds from the first begin to the last end. */
  duration: number;
  /** Microseconds until the root answered; the rest went on after. Undefined where the root does not tell. */
  responseTime: number | undefined;
  services: string[];
  errors: number;
  missingParents: number;
  skewed: number;
}

/** Below this, a child's earlier begin is a clock's grain and not its error, in microseconds. */
const GRAIN = 50;

export function buildTrace(spans: readonly Span[]): Trace | undefined {
  const first = spans[0];
  if (!first) return undefined;
  const begin =
    least(spans.map((span) => span.timestamp).filter((timestamp) => timestamp !== undefined)) ?? 0;
  const nodes = spans.map((span) => newNode(span, begin));
  link(nodes);
  cutLoops(nodes);

  const roots = nodes.filter((node) => !node.parent).sort(byStart);
  const ordered = depthFirst(roots);
  for (const node of ordered) mark(node);
  for (const node of [...ordered].reverse()) {
    node.failedBelow = isError(node.span) || node.children.some((child) => child.failedBelow);
  }
  // A trace's true root has no parent at all; failing that, the first of those whose parent is missing.
  const root = roots.find((node) => !node.span.parentId) ?? roots[0];
  return {
    id: first.traceId,
    roots,
    nodes: ordered,
    begin,
    duration: nodes.reduce((end, node) => Math.max(end, node.end), 0),
    responseTime: root?.span.duration,
    services: [...new Set(spans.map((span) => span.service).filter((service) => service !== ""))],
    errors: spans.filter(isError).length,
    missingParents: nodes.filter((node) => node.parentMissing).length,
    skewed: nodes.filter((node) => node.skew > 0).length,
  };
}

function least(numbers: number[]): number | undefined {
  return numbers.reduce<number | undefined>(
    (one, other) => (one === undefined || other < one ? other : one),
    undefined,
  );
}

function newNode(span: Span, begin: number): SpanNode {
  const start = Math.max(0, (span.timestamp ?? begin) - begin);
  return {
    // Without commas, which part keys in the address.
    key: `${span.id}${span.shared ? "s" : ""}-${span.service.replaceAll(",", ";")}`,
    span,
    parent: undefined,
    children: [],
    depth: 0,
    start,
    end: start + (span.duration ?? 0),
    parentMissing: false,
    skew: 0,
    queueWait: undefined,
    failedBelow: false,
  };
}

/** Finds each span's parent. Below a client and a server that share an id, a child belongs to the server. */
function link(nodes: SpanNode[]): void {
  const clients = new Map<string, SpanNode>();
  const servers = new Map<string, SpanNode>();
  for (const node of nodes) (node.span.shared ? servers : clients).set(node.span.id, node);
  for (const node of nodes) {
    const { id, parentId, shared } = node.span;
    const partner = shared ? clients.get(id) : undefined;
    if (partner && partner !== node) {
      node.parent = partner;
    } else if (parentId) {
      const parent = servers.get(parentId) ?? clients.get(parentId);
      if (parent && parent !== node) node.parent = parent;
      else node.parentMissing = true;
    }
  }
}

/** A malformed trace may have spans that cause one another: the last link of such a ring is cut, and marked. */
function cutLoops(nodes: SpanNode[]): void {
  const sound = new Set<SpanNode>();
  for (const node of nodes) {
    const path = new Set<SpanNode>();
    let at: SpanNode | undefined = node;
    while (at && !sound.has(at)) {
      path.add(at);
      if (at.parent && path.has(at.parent)) {
        at.parent = undefined;
        at.parentMissing = true;
      }
      at = at.parent;
    }
    for (const visited of path) sound.add(visited);
  }
  for (const node of nodes) node.parent?.children.push(node);
}

function byStart(one: SpanNode, other: SpanNode): number {
  return one.start - other.start || other.end - one.end;
}

function depthFirst(roots: SpanNode[]): SpanNode[] {
  const ordered: SpanNode[] = [];
  const open = [...roots].reverse();
  for (let node = open.pop(); node; node = open.pop()) {
    ordered.push(node);
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    node.children.sort(byStart);
    for (const child of [...node.children].reverse()) open.push(child);
  }
  return ordered;
}

function mark(node: SpanNode): void {
  const { parent, span } = node;
  if (!parent || span.timestamp === undefined || parent.span.timestamp === undefined) return;
  const early = parent.start - node.start;
  node.skew = early > GRAIN ? early : 0;
  if (span.kind === "CONSUMER" && parent.span.kind === "PRODUCER" && node.start > parent.end) {
    node.queueWait = { from: parent.end, to: node.start };
  }
}
