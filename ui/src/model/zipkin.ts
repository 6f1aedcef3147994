/** Spans of Zipkin's v2 API, read from any tracer's JSON. */

import { fullTraceId } from "./ids.ts";
import { type Json, list, number, record, text } from "./json.ts";

export type SpanKind = "CLIENT" | "SERVER" | "PRODUCER" | "CONSUMER";

export interface Span {
  traceId: string;
  id: string;
  parentId: string | undefined;
  kind: SpanKind | undefined;
  name: string;
  /** Microseconds since 1970; undefined when missing. */
  timestamp: number | undefined;
  /** Microseconds. */
  duration: number | undefined;
  service: string;
  remoteService: string | undefined;
  tags: Record<string, string>;
  annotations: { timestamp: number; value: string }[];
  /** Whether this is a server span with its client's id. */
  shared: boolean;
}

const KINDS: readonly SpanKind[] = ["CLIENT", "SERVER", "PRODUCER", "CONSUMER"];

/** A trace from a list of spans; undefined without any valid span. */
export function parseSpans(json: Json): Span[] | undefined {
  const spans = list(json)
    ?.map(parseSpan)
    .filter((span) => span !== undefined);
  return spans && spans.length > 0 ? merged(spans) : undefined;
}

/** The list of traces from `/traces`; undefined when it is not a list. */
export function parseTraces(json: Json): Span[][] | undefined {
  return list(json)
    ?.map(parseSpans)
    .filter((spans) => spans !== undefined);
}

function parseSpan(json: Json): Span | undefined {
  const body = record(json);
  const traceId = fullTraceId(text(body?.traceId) ?? "");
  const id = spanId(body?.id);
  if (!body || !traceId || !id) return undefined;
  const parentId = spanId(body.parentId);
  return {
    traceId,
    id,
    parentId: parentId === id ? undefined : parentId,
    kind: KINDS.find((kind) => kind === body.kind),
    name: text(body.name) ?? "",
    timestamp: positive(body.timestamp),
    duration: positive(body.duration),
    service: text(record(body.localEndpoint)?.serviceName) ?? "",
    remoteService: text(record(body.remoteEndpoint)?.serviceName),
    tags: parseTags(body.tags),
    annotations: parseAnnotations(body.annotations),
    shared: body.shared === true,
  };
}

function spanId(json: Json): string | undefined {
  const id = text(json)?.toLowerCase();
  return id && /^[0-9a-f]{1,16}$/.test(id) && !/^0+$/.test(id) ? id.padStart(16, "0") : undefined;
}

/** Some tracers write zero for unknown. */
function positive(json: Json): number | undefined {
  const value = number(json);
  return value !== undefined && value > 0 ? value : undefined;
}

function parseTags(json: Json): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const [key, value] of Object.entries(record(json) ?? {})) tags[key] = String(value);
  return tags;
}

function parseAnnotations(json: Json): Span["annotations"] {
  return (list(json) ?? []).flatMap((item) => {
    const body = record(item);
    const timestamp = number(body?.timestamp);
    const value = text(body?.value);
    return timestamp !== undefined && value !== undefined ? [{ timestamp, value }] : [];
  });
}

/** Merges the parts of a span that a tracer sent in several reports. */
function merged(spans: Span[]): Span[] {
  const byKey = new Map<string, Span>();
  for (const span of spans) {
    const key = `${span.id} ${isServerHalf(span) ? "server" : ""} ${span.service}`;
    const before = byKey.get(key);
    byKey.set(key, before ? mergeTwo(before, span) : span);
  }
  return [...byKey.values()];
}

function isServerHalf(span: Span): boolean {
  return span.shared || span.kind === "SERVER";
}

function mergeTwo(one: Span, other: Span): Span {
  return {
    ...one,
    parentId: one.parentId ?? other.parentId,
    kind: one.kind ?? other.kind,
    name: one.name || other.name,
    timestamp: one.timestamp ?? other.timestamp,
    duration: Math.max(one.duration ?? 0, other.duration ?? 0) || undefined,
    remoteService: one.remoteService ?? other.remoteService,
    tags: { ...other.tags, ...one.tags },
    annotations: [...one.annotations, ...other.annotations].sort((a, b) => a.timestamp - b.timestamp),
    shared: one.shared || other.shared,
  };
}

/** Zipkin's rule: a tag `error` with any value. A cancelled call is no error. */
export function isError(span: Span): boolean {
  return "error" in span.tags && !isCancelled(span);
}

/** gRPC's CANCELLED as a number and as a name, and what proxies log for a client that left. */
const CANCELLED: readonly string[] = ["1", "CANCELLED", "499"];

/** Whether the caller left before the call's end: neither an error nor a success. */
export function isCancelled(span: Span): boolean {
  return CANCELLED.includes(statusCode(span) ?? span.tags["error.type"] ?? "");
}

const CODE_TAGS = [
  "rpc.grpc.status_code",
  "rpc.response.status_code",
  "http.response.status_code",
  "http.status_code",
];

/** The gRPC code or HTTP status of a span. */
export function statusCode(span: Span): string | undefined {
  return CODE_TAGS.map((tag) => span.tags[tag]).find((code) => code !== undefined);
}
