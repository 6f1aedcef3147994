import { expect, test } from "vitest";
import { isCancelled, isError, parseSpans, parseTraces } from "./zipkin.ts";

const RAW = {
  traceId: "463AC35C9F6413AD48485A3953BB6124",
  id: "a2fb4a1d1a96d312",
  kind: "SERVER",
  timestamp: 1_700_000_000_000_000,
  duration: 207_000,
};

test("64-bit ids are padded to 32 digits, in lower case", () => {
  const [long] = parseSpans([RAW]) ?? [];
  expect(long?.traceId).toBe("463ac35c9f6413ad48485a3953bb6124");
  const [short] = parseSpans([{ ...RAW, traceId: "48485a3953bb6124", id: "1" }]) ?? [];
  expect(short?.traceId).toBe("000000000000000048485a3953bb6124");
  expect(short?.id).toBe("0000000000000001");
});

test("invalid spans are skipped, and a list without a valid one is undefined", () => {
  expect(
    parseSpans([RAW, null, 7, { id: "x" }, { traceId: "zz", id: "1" }, { ...RAW, id: "0" }]),
  ).toHaveLength(1);
  expect(parseSpans([{}])).toBeUndefined();
  expect(parseSpans({ message: "not found" })).toBeUndefined();
  expect(parseTraces("x")).toBeUndefined();
  expect(parseTraces([[RAW], [], ["y"]])).toHaveLength(1);
});

test("zero means unknown", () => {
  const [span] = parseSpans([{ ...RAW, timestamp: 0, duration: 0 }]) ?? [];
  expect(span?.timestamp).toBeUndefined();
  expect(span?.duration).toBeUndefined();
});

test("parts of a span are merged, and a client is not merged with its server", () => {
  const client = { ...RAW, kind: "CLIENT", localEndpoint: { serviceName: "a" } };
  const first = { ...client, duration: undefined, tags: { one: "1" } };
  const second = { ...client, tags: { two: "2" } };
  const server = { ...RAW, shared: true, localEndpoint: { serviceName: "b" } };
  const spans = parseSpans([first, second, server]) ?? [];
  expect(spans.map((span) => span.service)).toEqual(["a", "b"]);
  expect(spans[0]?.tags).toEqual({ one: "1", two: "2" });
  expect(spans[0]?.duration).toBe(207_000);
});

test("a span cannot be its own parent", () => {
  expect(parseSpans([{ ...RAW, parentId: RAW.id }])?.[0]?.parentId).toBeUndefined();
});

test("tag values of other types become text", () => {
  expect(parseSpans([{ ...RAW, tags: { code: 14, error: true } }])?.[0]?.tags).toEqual({
    code: "14",
    error: "true",
  });
});

test("a cancelled call is no error", () => {
  const span = (tags: object) => parseSpans([{ traceId: "a", id: "b", tags }])?.[0];
  const verdict = (tags: object) => {
    const parsed = span(tags);
    return parsed && [isError(parsed), isCancelled(parsed)];
  };
  expect(verdict({ error: "x", "rpc.grpc.status_code": "14" })).toEqual([true, false]);
  expect(verdict({ error: "x", "rpc.grpc.status_code": "1", "error.type": "CANCELLED" })).toEqual([
    false,
    true,
  ]);
  expect(verdict({ error: "x", "error.type": "CANCELLED" })).toEqual([false, true]);
  expect(verdict({ "http.response.status_code": "499" })).toEqual([false, true]);
  expect(verdict({ "rpc.grpc.status_code": "0" })).toEqual([false, false]);
});
