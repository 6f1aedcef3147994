/** One row of the list of traces. */

import { inMilliseconds } from "./format.ts";
import { buildTrace } from "./trace-tree.ts";
import type { Span } from "./zipkin.ts";

export interface TraceSummary {
  id: string;
  /** The root's service and name. */
  title: string;
  /** Milliseconds since 1970. */
  start: number;
  /** Milliseconds until the end of the root span, when it has a duration. */
  responseTime: number | undefined;
  /** Milliseconds until the end of the last span. */
  total: number;
  spans: number;
  services: number;
  errors: number;
  /** Whether parent spans are missing. */
  isIncomplete: boolean;
  /** Whether hosts' clocks differ. */
  isSkewed: boolean;
}

export function summarize(spans: readonly Span[]): TraceSummary | undefined {
  const trace = buildTrace(spans);
  const root = trace?.roots.find((node) => !node.span.parentId) ?? trace?.roots[0];
  if (!trace || !root) return undefined;
  return {
    id: trace.id,
    title: [root.span.service, root.span.name].filter((part) => part !== "").join(" · ") || "unnamed",
    start: trace.start / 1000,
    responseTime: inMilliseconds(trace.responseTime),
    total: trace.duration / 1000,
    spans: spans.length,
    services: trace.services.length,
    errors: trace.errors,
    isIncomplete: trace.missingParents > 0,
    isSkewed: trace.skewed > 0,
  };
}
