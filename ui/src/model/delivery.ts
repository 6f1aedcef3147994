/** The delivery of a message, read from its trace. */

import { buildTrace, type SpanNode } from "./trace-tree.ts";
import { isError, type Span } from "./zipkin.ts";

export interface Delivery {
  /** The consumer. */
  service: string;
  queue: string;
  /** The greeting's id, when the consumer's span has it. */
  messageId: string | undefined;
  /** The database it was stored in. */
  store: string | undefined;
  /** Milliseconds in the queue. */
  wait: number | undefined;
  /** Milliseconds of processing. */
  took: number;
  error: string | undefined;
}

/** Undefined while the span of the consumer or of its store is missing. */
export function deliveryOf(spans: readonly Span[]): Delivery | undefined {
  const consumer = buildTrace(spans)?.nodes.find((node) => node.span.kind === "CONSUMER");
  if (!consumer) return undefined;
  const { span, queueWait } = consumer;
  const store = consumer.children.find((child) => child.span.kind === "CLIENT");
  const error = isError(span) ? span.tags.error || "failed" : undefined;
  if (!store && !error) return undefined;
  return {
    service: span.service,
    queue: span.remoteService ?? span.tags["messaging.destination.name"] ?? "",
    messageId: span.tags["messaging.message.id"],
    store: storeOf(store),
    wait: queueWait && (queueWait.to - queueWait.from) / 1000,
    took: (consumer.end - consumer.start) / 1000,
    error,
  };
}

function storeOf(node: SpanNode | undefined): string | undefined {
  return node && !isError(node.span) ? node.span.remoteService : undefined;
}
