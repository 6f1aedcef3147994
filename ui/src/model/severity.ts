/** How bad the errors of an edge are, by thresholds in the URL. */

import type { EdgeMetrics } from "./mesh.ts";

/** Percent of an edge's calls. */
export interface Thresholds {
  /** From here on an edge is marked: one error in thousands of calls is not trouble. */
  degraded: number;
  /** From here on it is red. */
  failing: number;
}

export const DEFAULTS: Thresholds = { degraded: 0.1, failing: 5 };

/** `#/mesh?degraded=1&failing=20`; what is missing or invalid has its default. */
export function readThresholds(query: Readonly<Record<string, string>>): Thresholds {
  const read = (text: string | undefined, fallback: number) => {
    const value = Number(text ?? Number.NaN);
    return text?.trim() && value >= 0 && value <= 100 ? value : fallback;
  };
  const degraded = read(query.degraded, DEFAULTS.degraded);
  return { degraded, failing: Math.max(degraded, read(query.failing, DEFAULTS.failing)) };
}

/**
 * `failing`: the callee itself fails. `degraded`: it fails rarely, or passes on failures from further down.
 * `cancelled`: callers left.
 */
export type Severity = "idle" | "live" | "cancelled" | "degraded" | "failing";

export function severityOf(metrics: EdgeMetrics | undefined, thresholds: Thresholds): Severity {
  if (!metrics) return "idle";
  const share = (part: number) =>
    part > 0 ? (part / Math.max(metrics.count, 1)) * 100 : Number.NEGATIVE_INFINITY;
  if (share(metrics.errors - metrics.propagated) >= thresholds.failing) return "failing";
  if (share(metrics.errors) >= thresholds.degraded) return "degraded";
  if (share(metrics.cancelled) >= thresholds.degraded) return "cancelled";
  return "live";
}
