/** Trace ids: 32 hexadecimal digits wherever they are shown; tracers of 64 bits send 16. */

const HEX = /^[0-9a-f]+$/;

/** Lower case, and 32 digits; undefined where the text is no id. */
export function fullTraceId(text: string): string | undefined {
  const id = text.trim().toLowerCase();
  if (!HEX.test(id) || id.length > 32 || /^0+$/.test(id)) return undefined;
  return id.padStart(32, "0");
}

/** As a backend knows it: an id of 64 bits was reported with 16 digits. */
export function sentTraceId(full: string): string {
  return full.startsWith("0".repeat(16)) ? full.slice(16) : full;
}

/** The id in what people paste: an id, a `traceparent`, a `b3` header, a URL of this page or of Zipkin or Jaeger. */
export function pastedTraceId(text: string): string | undefined {
  const pasted = text.trim().toLowerCase();
  const parent = /(?:^|[^0-9a-f])00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/.exec(pasted);
  if (parent?.[1]) return fullTraceId(parent[1]);
  const found = /(?:^|[^0-9a-f])([0-9a-f]{32}|[0-9a-f]{16})(?:$|[^0-9a-f])/.exec(pasted);
  return found?.[1] ? fullTraceId(found[1]) : undefined;
}

export interface TraceResponse {
  traceId: string;
  /** Whether the trace was recorded, and so can be looked at. */
  recorded: boolean;
}

/** Reads `traceresponse` (W3C's Trace Context, level 2 draft), by which an answer names its trace. */
export function parseTraceResponse(header: string | null): TraceResponse | undefined {
  const match = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(header ?? "");
  if (!match?.[1] || !match[2]) return undefined;
  const traceId = fullTraceId(match[1]);
  return traceId ? { traceId, recorded: (Number.parseInt(match[2], 16) & 1) === 1 } : undefined;
}
