/** Spans for tests. */

import type { Span } from "./zipkin.ts";

export const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

/** One span; `at` and `duration` in microseconds, `at` after the trace's start. */
export function span(id: string, more: Partial<Span> & { at?: number } = {}): Span {
  const { at = 0, ...rest } = more;
  return {
    traceId: TRACE_ID,
    id: id.padStart(16, "0"),
    parentId: undefined,
    kind: undefined,
    name: id,
    timestamp: 1_700_000_000_000_000 + at,
    duration: 100,
    service: `service-${id}`,
    remoteService: undefined,
    tags: {},
    annotations: [],
    shared: false,
    ...rest,
    ...(rest.parentId ? { parentId: rest.parentId.padStart(16, "0") } : {}),
  };
}
