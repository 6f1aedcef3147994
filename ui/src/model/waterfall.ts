/** Which rows of a trace are shown, and which part of its time. */

import type { SpanNode, Trace } from "./trace-tree.ts";

/** Microseconds after the trace's begin. */
export interface Window {
  from: number;
  to: number;
}

/** Rows without what lies below a collapsed one. */
export function visibleRows(trace: Trace, collapsed: ReadonlySet<string>): SpanNode[] {
  const rows: SpanNode[] = [];
  let hiddenBelow = Number.POSITIVE_INFINITY;
  for (const node of trace.nodes) {
    if (node.depth > hiddenBelow) continue;
    hiddenBelow = collapsed.has(node.key) ? node.depth : Number.POSITIVE_INFINITY;
    rows.push(node);
  }
  return rows;
}

/** All of the trace, or the part that the address names, where it is one. */
export function readWindow(trace: Trace, from: string | undefined, to: string | undefined): Window {
  const whole = { from: 0, to: Math.max(trace.duration, 1) };
  const [begin, end] = [Number(from ?? Number.NaN), Number(to ?? Number.NaN)];
  return begin >= 0 && end > begin && begin < whole.to ? { from: begin, to: Math.min(end, whole.to) } : whole;
}

/** Half as much, or twice, around the middle; never beyond the trace. */
export function zoomed(trace: Trace, window: Window, factor: number): Window {
  const middle = (window.from + window.to) / 2;
  const half = Math.max(((window.to - window.from) * factor) / 2, 5);
  const from = Math.max(0, Math.round(middle - half));
  const to = Math.min(Math.max(trace.duration, 1), Math.round(middle + half));
  return { from, to };
}

export interface Place {
  /** Percent of the window's width. */
  left: number;
  width: number;
}

/** Where a stretch of time lies in the window; undefined where it does not. */
export function placeOf(from: number, to: number, window: Window): Place | undefined {
  if (to < window.from || from > window.to) return undefined;
  const scale = 100 / (window.to - window.from);
  const left = (Math.max(from, window.from) - window.from) * scale;
  const right = (Math.min(to, window.to) - window.from) * scale;
  return { left, width: Math.max(right - left, 0) };
}

/** The first error after a row, going round; undefined where there is none. */
export function nextWhere(
  rows: readonly SpanNode[],
  after: number,
  isIt: (node: SpanNode) => boolean,
): SpanNode | undefined {
  const order = [...rows.slice(after + 1), ...rows.slice(0, after + 1)];
  return order.find(isIt);
}

/** Which rows are drawn of a long list: those in sight, and some beyond either end. */
export function slice(count: number, rowHeight: number, top: number, height: number, beyond: number) {
  const first = Math.max(0, Math.floor(top / rowHeight) - beyond);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + beyond);
  return { first, last };
}
