/** Traces in files: Zipkin v2 JSON, OTLP JSON (also one request per line) and Jaeger's JSON. */

import { fullTraceId } from "./ids.ts";
import { type Json, list, number, record, text } from "./json.ts";
import { parseSpans, parseTraces, type Span, type SpanKind } from "./zipkin.ts";

/** The traces in a file's text, each a list of spans; undefined when it is not JSON. */
export function parseTraceFile(content: string): Span[][] | undefined {
  const documents = parseJson(content) ?? parseLines(content);
  if (!documents) return undefined;
  const zipkin = documents.flatMap((json) => {
    const spans = parseSpans(json);
    return spans ? [spans] : (parseTraces(json) ?? []);
  });
  const converted = documents.flatMap((json) => [...otlpSpans(json), ...jaegerSpans(json)]);
  return [...zipkin, ...byTrace(converted)];
}

function parseJson(content: string): Json[] | undefined {
  try {
    return [JSON.parse(content)];
  } catch {
    return undefined;
  }
}

/** The OpenTelemetry Collector's file exporter writes one JSON document per line. */
function parseLines(content: string): Json[] | undefined {
  const lines = content.split("\n").filter((line) => line.trim() !== "");
  const documents = lines.map(parseJson);
  return documents.every((document) => document !== undefined) ? documents.flat() : undefined;
}

function byTrace(spans: readonly Span[]): Span[][] {
  const traces = new Map<string, Span[]>();
  for (const span of spans) {
    const trace = traces.get(span.traceId);
    if (trace) trace.push(span);
    else traces.set(span.traceId, [span]);
  }
  return [...traces.values()];
}

const OTLP_KINDS: readonly (SpanKind | undefined)[] = [
  undefined,
  undefined,
  "SERVER",
  "CLIENT",
  "PRODUCER",
  "CONSUMER",
];

/** OTLP's `ExportTraceServiceRequest`; Tempo calls its resource spans `batches`, and Jaeger's API v3 wraps it in `result`. */
function otlpSpans(json: Json): Span[] {
  const body = record(record(json)?.result) ?? record(json);
  const resources = list(body?.resourceSpans) ?? list(body?.batches) ?? [];
  return resources.flatMap((item) => {
    const resource = record(item);
    const service = attributes(record(resource?.resource)?.attributes)["service.name"] ?? "";
    const scopes = list(resource?.scopeSpans) ?? list(resource?.instrumentationLibrarySpans) ?? [];
    return scopes
      .flatMap((scope) => list(record(scope)?.spans) ?? [])
      .flatMap((span) => otlpSpan(span, service));
  });
}

function otlpSpan(json: Json, service: string): Span[] {
  const body = record(json);
  const ids = idsOf(body?.traceId, body?.spanId, body?.parentSpanId);
  if (!body || !ids) return [];
  const start = nanoseconds(body.startTimeUnixNano);
  const end = nanoseconds(body.endTimeUnixNano);
  const status = record(body.status);
  const tags = attributes(body.attributes);
  if (status?.code === 2 || status?.code === "STATUS_CODE_ERROR") tags.error ??= text(status.message) ?? "";
  const kind =
    typeof body.kind === "string"
      ? OTLP_KINDS.find((known) => known && body.kind === `SPAN_KIND_${known}`)
      : OTLP_KINDS[number(body.kind) ?? 0];
  return [
    newSpan({
      ...ids,
      kind,
      name: text(body.name) ?? "",
      timestamp: start,
      duration: start !== undefined && end !== undefined ? end - start : undefined,
      service,
      tags,
      annotations: (list(body.events) ?? []).flatMap((item) => {
        const event = record(item);
        const timestamp = nanoseconds(event?.timeUnixNano);
        return timestamp === undefined ? [] : [{ timestamp, value: text(event?.name) ?? "" }];
      }),
    }),
  ];
}

/** Microseconds of OTLP's nanoseconds, which are text because they exceed a double's precision. */
function nanoseconds(json: Json): number | undefined {
  const value = text(json) ?? String(number(json) ?? "");
  return /^\d{4,}$/.test(value) ? Number(value.slice(0, -3)) + Number(value.slice(-3)) / 1000 : undefined;
}

function attributes(json: Json): Record<string, string> {
  const entries = (list(json) ?? [])
    .map(record)
    .map((item) => [text(item?.key) ?? "", valueText(item?.value)]);
  return Object.fromEntries(entries.filter(([key]) => key !== ""));
}

function valueText(json: Json): string {
  const [value] = Object.values(record(json) ?? {});
  return typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
}

/** Jaeger's `{"data": [{"spans": …, "processes": …}]}`, as its page and its API export it. */
function jaegerSpans(json: Json): Span[] {
  const traces = list(record(json)?.data) ?? [json];
  return traces.flatMap((item) => {
    const trace = record(item);
    const processes = record(trace?.processes) ?? {};
    return (list(trace?.spans) ?? []).flatMap((span) => jaegerSpan(span, processes));
  });
}

function jaegerSpan(json: Json, processes: Record<string, Json>): Span[] {
  const body = record(json);
  const references = (list(body?.references) ?? []).map(record);
  const parent = references.find((item) => item?.refType === "CHILD_OF") ?? references[0];
  const ids = idsOf(body?.traceID, body?.spanID, parent?.spanID ?? body?.parentSpanID);
  if (!body || !ids) return [];
  const tags = jaegerTags(body.tags);
  const { error, ...rest } = tags;
  const isFailed = error === "true" || tags["otel.status_code"] === "ERROR";
  const kind = tags["span.kind"]?.toUpperCase();
  const process = record(processes[text(body.processID) ?? ""]) ?? record(body.process);
  return [
    newSpan({
      ...ids,
      kind: OTLP_KINDS.find((known) => known === kind),
      name: text(body.operationName) ?? "",
      timestamp: number(body.startTime),
      duration: number(body.duration),
      service: text(process?.serviceName) ?? "",
      tags: isFailed ? { ...rest, error: tags["otel.status_description"] ?? "" } : rest,
      annotations: (list(body.logs) ?? []).flatMap((item) => {
        const log = record(item);
        const timestamp = number(log?.timestamp);
        const fields = jaegerTags(log?.fields);
        const value = fields.event ?? fields.message ?? JSON.stringify(fields);
        return timestamp === undefined ? [] : [{ timestamp, value }];
      }),
    }),
  ];
}

function jaegerTags(json: Json): Record<string, string> {
  const items = (list(json) ?? []).map(record);
  return Object.fromEntries(items.map((item) => [text(item?.key) ?? "", String(item?.value ?? "")]));
}

function idsOf(
  traceId: Json,
  id: Json,
  parentId: Json,
): Pick<Span, "traceId" | "id" | "parentId"> | undefined {
  const full = fullTraceId(text(traceId) ?? "");
  const own = spanId(id);
  return full && own ? { traceId: full, id: own, parentId: spanId(parentId) } : undefined;
}

function spanId(json: Json): string | undefined {
  const id = text(json)?.toLowerCase() ?? "";
  return /^[0-9a-f]{1,16}$/.test(id) && !/^0+$/.test(id) ? id.padStart(16, "0") : undefined;
}

function newSpan(span: Omit<Span, "remoteService" | "shared">): Span {
  return { ...span, remoteService: span.tags["peer.service"], shared: false };
}
