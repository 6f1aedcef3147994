/** One line of the list of traces. */

import { inMilliseconds } from "./format.ts";
import { buildTrace } from "./trace-tree.ts";
import type { Span } from "./zipkin.ts";

export interface TraceSummary {
  id: string;
  /** The root's service and name. */
  title: string;
  /** Milliseconds since 1970. */
  begin: number;
  /** Milliseconds until the root answered, where it tells. */
  response: number | undefined;
  /** Milliseconds until the last span ended. */
  whole: number;
  spans: number;
  services: number;
  errors: number;
  /** Whether spans are missing, or clocks differ. */
  isOdd: boolean;
}

export function summarise(spans: readonly Span[]): TraceSummary | undefined {
  const trace = buildTrace(spans);
  const root = trace?.roots.find((node) => !node.span.parentId) ?? trace?.roots[0];
  if (!trace || !root) return undefined;
  return {
    id: trace.id,
    title: [root.span.service, root.span.name].filter((part) => part !== "").join(" · ") || "unnamed",
    begin: trace.begin / 1000,
    response: inMilliseconds(trace.responseTime),
    whole: trace.duration / 1000,
    spans: spans.length,
    services: trace.services.length,
    errors: trace.errors,
    isOdd: trace.missingParents > 0 || trace.skewed > 0,
  };
}
