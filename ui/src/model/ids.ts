/** Trace ids: shown with 32 hexadecimal digits; 64-bit tracers report 16. */

const HEX = /^[0-9a-f]+$/;

/** Lower case with 32 digits; undefined when the text is not a trace id. */
export function fullTraceId(text: string): string | undefined {
  const id = text.trim().toLowerCase();
  if (!HEX.test(id) || id.length > 32 || /^0+$/.test(id)) return undefined;
  return id.padStart(32, "0");
}

/** The id for a query: trace backends know a 64-bit id by 16 digits. */
export function backendTraceId(full: string): string {
  return full.startsWith("0".repeat(16)) ? full.slice(16) : full;
}

/** The trace id in pasted text: an id, a `traceparent` or `b3` header, or a URL of this page, Zipkin or Jaeger. */
export function pastedTraceId(text: string): string | undefined {
  const pasted = text.trim().toLowerCase();
  const parent = /(?:^|[^0-9a-f])00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(pasted);
  if (parent?.[1]) return fullTraceId(parent[1]);
  const found = /(?:^|[^0-9a-f])([0-9a-f]{32}|[0-9a-f]{16})(?:$|[^0-9a-f])/.exec(pasted);
  return found?.[1] ? fullTraceId(found[1]) : undefined;
}

export interface TraceResponse {
  traceId: string;
  /** Whether the trace was sampled. */
  recorded: boolean;
}

/** Reads the `traceresponse` header (W3C Trace Context, level 2 draft). */
export function parseTraceResponse(header: string | null): TraceResponse | undefined {
  const match = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(header ?? "");
  if (!match?.[1] || !match[2]) return undefined;
  const traceId = fullTraceId(match[1]);
  return traceId ? { traceId, recorded: (Number.parseInt(match[2], 16) & 1) === 1 } : undefined;
}
