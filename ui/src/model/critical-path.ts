/** What an answer's time went into: shortening anything else would not have made it come sooner. */

import type { SpanNode } from "./trace-tree.ts";

/** Microseconds after the trace's begin. */
export interface Section {
  from: number;
  to: number;
}

/**
 * The sections of each span that are on the critical path of `root`, by the span's key.
 *
 * From the root's end backwards: a span works itself until its child that ended last, then that child does, and so on.
 * A child that outlives its parent counts until the parent's end; one that begins after it is not waited for.
 */
export function criticalPath(root: SpanNode): ReadonlyMap<string, Section[]> {
  const sections = new Map<string, Section[]>();
  const open: { node: SpanNode; until: number }[] = [{ node: root, until: root.end }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, until } = next;
    const own: Section[] = [];
    let cursor = until;
    const ends = (child: SpanNode) => Math.min(child.end, cursor);
    const waited = node.children.filter((child) => isWaitedFor(child, until));
    waited.sort((one, other) => Math.min(other.end, until) - Math.min(one.end, until));
    for (const child of waited) {
      // Began after what was already counted: it ran beside it, or not at all in this time.
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

/** A consumer works on its own: nobody waits for it. */
function isWaitedFor(child: SpanNode, until: number): boolean {
  return child.span.kind !== "CONSUMER" && child.start < until && child.end > child.start;
}
