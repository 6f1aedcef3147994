/** Orders of the list of traces. */

import type { TraceSummary } from "./trace-summary.ts";

type Compare = (one: TraceSummary, other: TraceSummary) => number;

const newest: Compare = (one, other) => other.start - one.start;

/** By their name in the URL and on the page; ties are in order of time. */
const ORDERS: Readonly<Record<string, Compare>> = {
  newest,
  oldest: (one, other) => one.start - other.start,
  slowest: (one, other) => durationOf(other) - durationOf(one) || newest(one, other),
  fastest: (one, other) => durationOf(one) - durationOf(other) || newest(one, other),
  "most spans": (one, other) => other.spans - one.spans || newest(one, other),
  "most errors": (one, other) => other.errors - one.errors || newest(one, other),
};

export const ORDER_NAMES = Object.keys(ORDERS);

/** The order in the URL, or else the newest first. */
export function readOrder(name: string | undefined): string {
  return ORDER_NAMES.find((known) => known === name) ?? "newest";
}

export function sortTraces(traces: readonly TraceSummary[], order: string): TraceSummary[] {
  return [...traces].sort(ORDERS[order] ?? newest);
}

/** The response time, or else the total duration. */
export function durationOf({ responseTime, total }: TraceSummary): number {
  return responseTime ?? total;
}
