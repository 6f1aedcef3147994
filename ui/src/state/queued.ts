/** What became of the last greeting's message: the consumer's part of its trace, once it has arrived. */

import { effect, signal } from "@preact/signals";
import { ask } from "../client/ask.ts";
import { log } from "../client/log.ts";
import { type Delivery, deliveryOf } from "../model/delivery.ts";
import { sentTraceId } from "../model/ids.ts";
import { parseSpans } from "../model/zipkin.ts";
import { api } from "./api.ts";
import { sent } from "./greeting.ts";

export type Queued =
  | { state: "none" }
  | { state: "waiting" }
  | { state: "delivered"; delivery: Delivery }
  /** Not seen in time, or nobody to ask. */
  | { state: "unknown"; why: string };

export const queued = signal<Queued>({ state: "none" });

/** Milliseconds between questions: spans arrive in batches. */
const EVERY_MS = 500;
const TURNS = 16;

/** Looks for the delivery of every greeting that was answered. */
export function startLooking(): void {
  effect(() => {
    const trace = sent.value.answered?.trace;
    const base = api.peek();
    const aborted = new AbortController();
    if (!sent.value.answered) queued.value = { state: "none" };
    else if (!trace?.recorded)
      queued.value = { state: "unknown", why: "The greeting has no recorded trace to look in." };
    else void look(base, trace.traceId, aborted.signal);
    return () => aborted.abort();
  });
}

async function look(base: string, traceId: string, signal: AbortSignal): Promise<void> {
  queued.value = { state: "waiting" };
  for (let turn = 0; turn < TURNS; turn += 1) {
    await pause(EVERY_MS);
    if (signal.aborted) return;
    try {
      const path = `/zipkin/api/v2/trace/${sentTraceId(traceId)}`;
      const { body } = await ask({ base, path, parse: parseSpans, signal });
      const delivery = deliveryOf(body);
      if (delivery) {
        queued.value = { state: "delivered", delivery };
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      log.debug("not there yet", error);
    }
  }
  queued.value = { state: "unknown", why: `Not seen in its trace within ${(EVERY_MS * TURNS) / 1000} s.` };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
