import { expect, test } from "vitest";
import { deliveryOf } from "./delivery.ts";
import greetingTrace from "./fixtures/greeting-trace.json";
import { span } from "./testing.ts";
import { summarize } from "./trace-summary.ts";
import { buildTrace } from "./trace-tree.ts";
import { parseSpans } from "./zipkin.ts";

test("a recorded greeting is one tree of nine services, with a queue wait", () => {
  const spans = parseSpans(greetingTrace) ?? [];
  const trace = buildTrace(spans);
  expect(trace?.roots).toHaveLength(1);
  expect(trace?.nodes).toHaveLength(21);
  expect(trace?.services).toHaveLength(9);
  expect([trace?.errors, trace?.missingParents, trace?.skewed]).toEqual([0, 0, 0]);
  const consumer = trace?.nodes.find((node) => node.span.kind === "CONSUMER");
  expect(consumer?.queueWait).toBeDefined();
  expect(consumer?.depth).toBe(8);

  const delivery = deliveryOf(spans);
  expect(delivery).toMatchObject({
    service: "service-f",
    queue: "service-d.greeting",
    store: "service-f.messages",
  });
  expect(delivery?.wait).toBeGreaterThan(0);
  expect(summarize(spans)).toMatchObject({
    title: "gateway · get /api/greeting",
    spans: 21,
    services: 9,
    isIncomplete: false,
    isSkewed: false,
  });
});

test("response time ends with the root, total duration with the last span", () => {
  const trace = buildTrace([
    span("a", { duration: 1_000 }),
    span("b", { parentId: "a", at: 500, duration: 2_000, kind: "CONSUMER" }),
  ]);
  expect(trace?.responseTime).toBe(1_000);
  expect(trace?.duration).toBe(2_500);
});

test("a root without a duration has no response time, rather than zero", () => {
  const trace = buildTrace([span("a", { duration: undefined }), span("b", { parentId: "a", duration: 300 })]);
  expect(trace?.responseTime).toBeUndefined();
});

test("a server that shares its client's id is its child, and has the children", () => {
  const trace = buildTrace([
    span("a", { kind: "CLIENT", duration: 900 }),
    span("a", { kind: "SERVER", shared: true, at: 10, duration: 800, service: "service-server" }),
    span("b", { parentId: "a", at: 20, duration: 10 }),
  ]);
  const [client] = trace?.roots ?? [];
  expect(client?.children.map((node) => node.span.service)).toEqual(["service-server"]);
  expect(client?.children[0]?.children.map((node) => node.span.name)).toEqual(["b"]);
  expect(new Set(trace?.nodes.map((node) => node.key)).size).toBe(3);
});

test("a missing parent is marked, and its children have no indentation", () => {
  const trace = buildTrace([span("a"), span("b", { parentId: "ff" })]);
  expect(trace?.missingParents).toBe(1);
  expect(trace?.nodes.find((node) => node.span.name === "b")).toMatchObject({
    depth: 0,
    parentMissing: true,
  });
});

test("a child that starts before its parent is marked and not moved", () => {
  const trace = buildTrace([
    span("a", { at: 5_000, duration: 9_000 }),
    span("b", { parentId: "a", at: 2_000 }),
  ]);
  const child = trace?.nodes.find((node) => node.span.name === "b");
  expect(child?.skew).toBe(3_000);
  expect(child?.start).toBe(0);
  expect(trace?.skewed).toBe(1);
});

test("cycles of parents are broken, and all their spans are shown", () => {
  const trace = buildTrace([
    span("a", { parentId: "c" }),
    span("b", { parentId: "a" }),
    span("c", { parentId: "b" }),
    span("d", { parentId: "c" }),
  ]);
  expect(trace?.nodes).toHaveLength(4);
  expect(trace?.missingParents).toBe(1);
});

test("the ancestors of a failed span are marked", () => {
  const trace = buildTrace([
    span("a"),
    span("b", { parentId: "a" }),
    span("c", { parentId: "b", tags: { error: "" } }),
    span("d", { parentId: "a" }),
  ]);
  expect(trace?.errors).toBe(1);
  expect(trace?.nodes.filter((node) => node.failedBelow).map((node) => node.span.name)).toEqual([
    "a",
    "b",
    "c",
  ]);
});

test("a chain of ten thousand spans does not overflow the stack", () => {
  const spans = Array.from({ length: 10_000 }, (_, index) =>
    span((index + 1).toString(16), { at: index, ...(index === 0 ? {} : { parentId: index.toString(16) }) }),
  );
  expect(buildTrace(spans)?.nodes.at(-1)?.depth).toBe(9_999);
});

test("no spans are no trace", () => {
  expect(buildTrace([])).toBeUndefined();
});

test("a delivery is known once its store has responded, or it has failed", () => {
  const producer = span("a", { kind: "PRODUCER" });
  const consumer = span("b", {
    kind: "CONSUMER",
    parentId: "a",
    at: 600,
    service: "service-f",
    remoteService: "q",
  });
  expect(deliveryOf([producer, consumer])).toBeUndefined();
  const failed = { ...consumer, tags: { error: "store is away" } };
  expect(deliveryOf([producer, failed])).toMatchObject({ error: "store is away", store: undefined });
  const store = span("c", { kind: "CLIENT", parentId: "b", at: 610, remoteService: "service-f.messages" });
  expect(deliveryOf([producer, consumer, store])).toMatchObject({ store: "service-f.messages", wait: 0.5 });
});
