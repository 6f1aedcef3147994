import { expect, test } from "vitest";
import { parseTraceFile } from "./trace-file.ts";
import { buildTrace } from "./trace-tree.ts";

const TRACE_ID = "5b8efff798038103d269b633813fc60c";

const attribute = (key: string, value: object) => ({ key, value });

const OTLP = {
  resourceSpans: [
    {
      resource: { attributes: [attribute("service.name", { stringValue: "front" })] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: TRACE_ID.toUpperCase(),
              spanId: "eee19b7ec3c1b174",
              parentSpanId: "",
              name: "GET /",
              kind: 2,
              startTimeUnixNano: "1544712660000000000",
              endTimeUnixNano: "1544712661500250000",
              attributes: [attribute("http.response.status_code", { intValue: "503" })],
              status: { code: 2, message: "upstream failed" },
              events: [{ timeUnixNano: "1544712660000900000", name: "retry" }],
            },
            {
              traceId: TRACE_ID,
              spanId: "eee19b7ec3c1b175",
              parentSpanId: "eee19b7ec3c1b174",
              name: "call",
              kind: "SPAN_KIND_CLIENT",
              startTimeUnixNano: "1544712660000100000",
              endTimeUnixNano: "1544712660000200000",
              attributes: [attribute("peer.service", { stringValue: "back" })],
            },
          ],
        },
      ],
    },
  ],
};

const JAEGER = {
  data: [
    {
      traceID: "abc",
      spans: [
        {
          traceID: "abc",
          spanID: "1",
          operationName: "root",
          references: [],
          startTime: 1_544_712_660_000_000,
          duration: 900,
          tags: [
            { key: "span.kind", type: "string", value: "server" },
            { key: "error", type: "bool", value: false },
          ],
          logs: [],
          processID: "p1",
        },
        {
          traceID: "abc",
          spanID: "2",
          operationName: "child",
          references: [
            { refType: "FOLLOWS_FROM", traceID: "abc", spanID: "9" },
            { refType: "CHILD_OF", traceID: "abc", spanID: "1" },
          ],
          startTime: 1_544_712_660_000_100,
          duration: 80,
          tags: [
            { key: "otel.status_code", type: "string", value: "ERROR" },
            { key: "otel.status_description", type: "string", value: "timed out" },
          ],
          logs: [{ timestamp: 1_544_712_660_000_110, fields: [{ key: "event", value: "retry" }] }],
          processID: "p2",
        },
      ],
      processes: { p1: { serviceName: "front" }, p2: { serviceName: "back" } },
    },
  ],
};

test("OTLP JSON is read with kinds, times, attributes, status and events", () => {
  const [spans = []] = parseTraceFile(JSON.stringify(OTLP)) ?? [];
  expect(spans).toHaveLength(2);
  expect(spans[0]).toMatchObject({
    traceId: TRACE_ID,
    kind: "SERVER",
    service: "front",
    parentId: undefined,
    timestamp: 1_544_712_660_000_000,
    duration: 1_500_250,
    tags: { "http.response.status_code": "503", error: "upstream failed" },
    annotations: [{ timestamp: 1_544_712_660_000_900, value: "retry" }],
  });
  expect(spans[1]).toMatchObject({ kind: "CLIENT", remoteService: "back", parentId: "eee19b7ec3c1b174" });
});

test("OTLP JSON is read from one document per line, from Tempo and from Jaeger's API v3", () => {
  const line = JSON.stringify(OTLP);
  expect(parseTraceFile(`${line}\n${line}\n`)).toHaveLength(1);
  expect(parseTraceFile(JSON.stringify({ batches: OTLP.resourceSpans }))?.[0]).toHaveLength(2);
  expect(parseTraceFile(JSON.stringify({ result: OTLP }))?.[0]).toHaveLength(2);
});

test("Jaeger's JSON is read with processes, parents, errors and logs", () => {
  const [spans = []] = parseTraceFile(JSON.stringify(JAEGER)) ?? [];
  const trace = buildTrace(spans);
  expect(trace).toMatchObject({ errors: 1, missingParents: 0, services: ["front", "back"], duration: 900 });
  expect(spans[0]).toMatchObject({ kind: "SERVER", traceId: "abc".padStart(32, "0") });
  expect(spans[1]).toMatchObject({
    parentId: "1".padStart(16, "0"),
    tags: { error: "timed out" },
    annotations: [{ value: "retry" }],
  });
});

test("Zipkin's JSON is read as a trace or as a list of traces", () => {
  const span = { traceId: TRACE_ID, id: "1", name: "a" };
  expect(parseTraceFile(JSON.stringify([span]))).toHaveLength(1);
  expect(parseTraceFile(JSON.stringify([[span], [{ ...span, traceId: "f" }]]))).toHaveLength(2);
});

test("other JSON contains no traces, and other text is not JSON", () => {
  for (const json of [
    {},
    [],
    null,
    7,
    { data: [{}] },
    { resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] },
  ]) {
    expect(parseTraceFile(JSON.stringify(json))).toEqual([]);
  }
  expect(parseTraceFile("import x")).toBeUndefined();
  expect(parseTraceFile('{"a":1}\nb')).toBeUndefined();
});
