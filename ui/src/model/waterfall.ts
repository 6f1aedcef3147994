/** The visible rows and the visible time range of a trace. */

import type { SpanNode, Trace } from "./trace-tree.ts";

/** Microseconds after the trace's start. */
export interface TimeRange {
  from: number;
  to: number;
}

/** Rows without the descendants of collapsed ones. */
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

/** The time range in the URL, or the whole trace when that is missing or invalid. */
export function readRange(trace: Trace, from: string | undefined, to: string | undefined): TimeRange {
  const whole = { from: 0, to: Math.max(trace.duration, 1) };
  const [begin, end] = [Number(from ?? Number.NaN), Number(to ?? Number.NaN)];
  return begin >= 0 && end > begin && begin < whole.to ? { from: begin, to: Math.min(end, whole.to) } : whole;
}

/** Scales the range by `factor` around the visible part of a span, or else around its middle, within the trace. */
export function zoomed(trace: Trace, range: TimeRange, factor: number, around?: SpanNode): TimeRange {
  const from = Math.max(around?.start ?? 0, range.from);
  const to = Math.min(around?.end ?? trace.duration, range.to);
  return scaled(trace, range, factor, to >= from ? (from + to) / 2 : (range.from + range.to) / 2);
}

function scaled(trace: Trace, range: TimeRange, factor: number, middle: number): TimeRange {
  const half = Math.max(((range.to - range.from) * factor) / 2, 5);
  const from = Math.max(0, Math.round(middle - half));
  const to = Math.min(Math.max(trace.duration, 1), Math.round(middle + half));
  return { from, to };
}

export interface Position {
  /** Percent of the range. */
  left: number;
  width: number;
}

/** The position of an interval within the range; undefined when it is outside. */
export function positionOf(from: number, to: number, range: TimeRange): Position | undefined {
  if (to < range.from || from > range.to) return undefined;
  const scale = 100 / (range.to - range.from);
  const left = (Math.max(from, range.from) - range.from) * scale;
  const right = (Math.min(to, range.to) - range.from) * scale;
  return { left, width: Math.max(right - left, 0) };
}

/** The next row after `after` that matches, wrapping around. */
export function nextWhere(
  rows: readonly SpanNode[],
  after: number,
  matches: (node: SpanNode) => boolean,
): SpanNode | undefined {
  const order = [...rows.slice(after + 1), ...rows.slice(0, after + 1)];
  return order.find(matches);
}

/** The rows to draw of a long list: the visible ones and `overscan` more at either end. */
export function visibleSlice(
  count: number,
  rowHeight: number,
  top: number,
  height: number,
  overscan: number,
) {
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + overscan);
  return { first, last };
}

export type LabelSide = "after" | "before" | "inside";

/** Pixels before, after and on a bar, or on the wait before it. */
export type Space = Readonly<Record<LabelSide, number>>;

/** The first text that fits after the bar, before it or on it, and where; the last one is the shortest. */
export function fitLabel(
  texts: readonly string[],
  space: Space,
  widthOf: (text: string) => number,
): { text: string; side: LabelSide } {
  for (const text of texts) {
    const side = (["after", "before", "inside"] as const).find((side) => widthOf(text) <= space[side]);
    if (side) return { text, side };
  }
  return { text: texts.at(-1) ?? "", side: "after" };
}

/** Whether a span's service, name, ids, tags or events contain a text. */
export function containsText({ span }: SpanNode, text: string): boolean {
  const { service, name, remoteService = "", id, tags, annotations } = span;
  const tagTexts = Object.entries(tags).map(([key, value]) => `${key}=${value}`);
  const texts = [service, name, remoteService, id, ...tagTexts, ...annotations.map(({ value }) => value)];
  return texts.some((candidate) => candidate.toLowerCase().includes(text.trim().toLowerCase()));
}
