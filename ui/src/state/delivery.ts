/** Delivery of the last greeting's message: the consumer's spans in its trace, once they have arrived. */

import { effect, signal } from "@preact/signals";
import { fetchJson } from "../client/fetch-json.ts";
import { traceRequest } from "../client/trace-request.ts";
import { type Delivery, deliveryOf } from "../model/delivery.ts";
import { api } from "./api.ts";
import { greeting } from "./greeting.ts";

export type DeliveryState =
  | { state: "none" }
  | { state: "waiting" }
  | { state: "delivered"; delivery: Delivery }
  | { state: "unknown"; why: string };

export const delivery = signal<DeliveryState>({ state: "none" });

/** Milliseconds between two attempts: spans arrive in batches. */
const INTERVAL_MS = 500;
const ATTEMPTS = 16;

/** Looks up the delivery after every successful greeting. */
export function startDeliveryLookup(): void {
  effect(() => {
    const trace = greeting.value.result?.trace;
    const base = api.peek();
    const abort = new AbortController();
    if (!greeting.value.result) delivery.value = { state: "none" };
    else if (!trace?.recorded)
      delivery.value = { state: "unknown", why: "Unknown: this greeting has no recorded trace." };
    else void lookup(base, trace.traceId, abort.signal);
    return () => abort.abort();
  });
}

async function lookup(base: string, traceId: string, signal: AbortSignal): Promise<void> {
  delivery.value = { state: "waiting" };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    await pause(INTERVAL_MS);
    if (signal.aborted) return;
    try {
      const { body } = await fetchJson({ ...traceRequest(base, traceId), signal });
      const found = deliveryOf(body);
      if (found) delivery.value = { state: "delivered", delivery: found };
      // The publisher's span, which shows the wait, can arrive later.
      if (found?.wait !== undefined) return;
    } catch {
      // It is on its way; the request was logged.
      if (signal.aborted) return;
    }
  }
  if (delivery.value.state === "delivered") return;
  const seconds = (INTERVAL_MS * ATTEMPTS) / 1000;
  delivery.value = { state: "unknown", why: `Unknown: no consumer span in the trace after ${seconds} s.` };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
