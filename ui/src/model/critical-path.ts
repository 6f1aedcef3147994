/** The critical path of a trace: making anything else faster would not have shortened the response time. */

import type { SpanNode } from "./trace-tree.ts";

/** Microseconds after the trace's start. */
export interface Section {
  from: number;
  to: number;
}

/**
 * The sections of each span that are on the critical path of `root`, by the span's key.
 *
 * Walks backwards from the root's end: the time after the last child's end belongs to the span itself, then the child
 * is on the path, and so on. A child that outlives its parent counts until the parent's end.
 */
export function criticalPath(root: SpanNode): ReadonlyMap<string, Section[]> {
  const sections = new Map<string, Section[]>();
  const open: { node: SpanNode; until: number }[] = [{ node: root, until: root.end }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, until } = next;
    const own: Section[] = [];
    let cursor = until;
    const ends = (child: SpanNode) => Math.min(child.end, cursor);
    const waited = node.children.filter((child) => blocksParent(child, node.start, until));
    waited.sort((one, other) => Math.min(other.end, until) - Math.min(one.end, until));
    for (const child of waited) {
      // It ran concurrently with a section that is already on the path.
      if (child.start >= cursor || Math.min(child.end, until) > cursor) continue;
      const end = ends(child);
      if (cursor > end) own.push({ from: end, to: cursor });
      open.push({ node: child, until: end });
      cursor = Math.max(child.start, node.start);
      if (cursor <= node.start) break;
    }
    if (cursor > node.start) own.push({ from: node.start, to: cursor });
    sections.set(node.key, own.reverse());
  }
  return sections;
}

/** A consumer runs asynchronously: no span waits for it. */
function blocksParent(child: SpanNode, from: number, until: number): boolean {
  return child.span.kind !== "CONSUMER" && child.start < until && child.end > Math.max(child.start, from);
}
