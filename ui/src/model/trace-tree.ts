/** A trace as a tree. Missing parents and clock skew are marked, never corrected. */

import { isError, type Span } from "./zipkin.ts";

export interface SpanNode {
  /** Unique within the trace; a client and its server may share a span id. */
  key: string;
  span: Span;
  parent: SpanNode | undefined;
  children: SpanNode[];
  depth: number;
  /** Microseconds after the trace's start. */
  start: number;
  end: number;
  /** Whether the parent span was not reported. */
  parentMissing: boolean;
  /** Microseconds by which it starts before its parent: the clocks of two hosts differ. */
  skew: number;
  /** Time in the queue before the span, in microseconds after the trace's start. */
  queueWait: { from: number; to: number } | undefined;
  /** Whether the span or any of its descendants failed. */
  failedBelow: boolean;
}

export interface Trace {
  id: string;
  roots: SpanNode[];
  /** Parents before children, siblings by start time. */
  nodes: SpanNode[];
  /** Microseconds since 1970. */
  start: number;
  /** Microseconds from the first start to the last end. */
  duration: number;
  /** Microseconds until the root span's end; other spans may end later. Undefined when the root has no duration. */
  responseTime: number | undefined;
  services: string[];
  errors: number;
  missingParents: number;
  skewed: number;
}

/** Microseconds of clock resolution: a smaller difference is not clock skew. */
const CLOCK_RESOLUTION = 50;

export function buildTrace(spans: readonly Span[]): Trace | undefined {
  const first = spans[0];
  if (!first) return undefined;
  const start =
    minimum(spans.map((span) => span.timestamp).filter((timestamp) => timestamp !== undefined)) ?? 0;
  const nodes = spans.map((span) => newNode(span, start));
  link(nodes);
  cutLoops(nodes);

  const roots = nodes.filter((node) => !node.parent).sort(byStart);
  const ordered = depthFirst(roots);
  for (const node of ordered) annotate(node);
  for (const node of [...ordered].reverse()) {
    node.failedBelow = isError(node.span) || node.children.some((child) => child.failedBelow);
  }
  // The root has no parent; without one, the first span with a missing parent is used.
  const root = roots.find((node) => !node.span.parentId) ?? roots[0];
  return {
    id: first.traceId,
    roots,
    nodes: ordered,
    start,
    duration: nodes.reduce((end, node) => Math.max(end, node.end), 0),
    responseTime: root?.span.duration,
    services: [...new Set(spans.map((span) => span.service).filter((service) => service !== ""))],
    errors: spans.filter(isError).length,
    missingParents: nodes.filter((node) => node.parentMissing).length,
    skewed: nodes.filter((node) => node.skew > 0).length,
  };
}

function minimum(numbers: number[]): number | undefined {
  return numbers.reduce<number | undefined>(
    (one, other) => (one === undefined || other < one ? other : one),
    undefined,
  );
}

function newNode(span: Span, traceStart: number): SpanNode {
  const start = Math.max(0, (span.timestamp ?? traceStart) - traceStart);
  return {
    // Without commas, which separate keys in the URL.
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

/** Finds each span's parent. When a client and a server share an id, their children belong to the server. */
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

/** Breaks cycles of parents in malformed traces; the span at the break is marked. */
function cutLoops(nodes: SpanNode[]): void {
  const acyclic = new Set<SpanNode>();
  for (const node of nodes) {
    const path = new Set<SpanNode>();
    let at: SpanNode | undefined = node;
    while (at && !acyclic.has(at)) {
      path.add(at);
      if (at.parent && path.has(at.parent)) {
        at.parent = undefined;
        at.parentMissing = true;
      }
      at = at.parent;
    }
    for (const visited of path) acyclic.add(visited);
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

function annotate(node: SpanNode): void {
  const { parent, span } = node;
  if (!parent || span.timestamp === undefined || parent.span.timestamp === undefined) return;
  const early = parent.start - node.start;
  node.skew = early > CLOCK_RESOLUTION ? early : 0;
  if (span.kind === "CONSUMER" && parent.span.kind === "PRODUCER" && node.start > parent.end) {
    node.queueWait = { from: parent.end, to: node.start };
  }
}

/** For example `Greeting → service-b`: without the package of a gRPC method, and with the called service. */
export function operationOf({ name, kind, remoteService }: Span): string {
  const short = name.includes("/") && !name.includes(" ") ? name.slice(name.lastIndexOf("/") + 1) : name;
  return kind === "CLIENT" && remoteService ? `${short} → ${remoteService}` : short;
}
