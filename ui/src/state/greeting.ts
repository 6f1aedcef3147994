/** The last greeting request, from whichever view it was sent. */

import { computed, effect, signal } from "@preact/signals";
import type { Failure } from "../client/failure.ts";
import { fetchJson, toFailure } from "../client/fetch-json.ts";
import { failedPaths, type Greeting, type Missing, parseGreetings, parseMissing } from "../model/greeting.ts";
import { parseTraceResponse, type TraceResponse } from "../model/ids.ts";
import { api } from "./api.ts";
import { refresh, topology } from "./mesh.ts";

export interface GreetingResult {
  greetings: Greeting[];
  missing: Missing[];
  /** Milliseconds. */
  took: number;
  trace: TraceResponse | undefined;
  requestId: string | null;
  /** When it arrived, in milliseconds since 1970. */
  at: number;
}

export interface GreetingState {
  isSending: boolean;
  result: GreetingResult | undefined;
  failure: Failure | undefined;
}

const NOTHING: GreetingState = { isSending: false, result: undefined, failure: undefined };

export const greeting = signal<GreetingState>(NOTHING);

/** From the entry to each service that the failure names. The topology may arrive after the failure. */
export const failed = computed(() => {
  const names = topology.value.data?.services.map(({ name }) => name) ?? [];
  return failedPaths(greeting.value.failure?.details.detail ?? "", names);
});

// Another gateway has neither this greeting nor its trace.
effect(() => {
  void api.value;
  greeting.value = NOTHING;
});

/** Milliseconds after which a trace's spans have usually arrived: exporters send them in batches. */
const SPANS_ARRIVE_MS = [300, 1_200, 2_500];

export async function sendGreeting(): Promise<void> {
  if (greeting.value.isSending) return;
  greeting.value = { ...greeting.value, isSending: true };
  const base = api.value;
  const path = "/api/greeting";
  try {
    const { body, headers, took } = await fetchJson({ base, path, parse: parseGreetings });
    const result = {
      greetings: body,
      missing: parseMissing(headers.get("grpc-metadata-octet-missing")),
      took,
      trace: parseTraceResponse(headers.get("traceresponse")),
      requestId: headers.get("x-request-id"),
      at: Date.now(),
    };
    if (base !== api.value) return;
    greeting.value = { isSending: false, result, failure: undefined };
  } catch (error) {
    if (base !== api.value) return;
    const failure = toFailure(error, base + path);
    greeting.value = { isSending: false, result: undefined, failure };
  }
  for (const after of SPANS_ARRIVE_MS) setTimeout(refresh, after);
}
