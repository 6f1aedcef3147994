/** The last greeting request, from whichever view it was sent. */

import { computed, effect, signal } from "@preact/signals";
import { Failure } from "../client/failure.ts";
import { fetchJson, fetchStream, type JsonResponse, toFailure } from "../client/fetch-json.ts";
import {
  failedPaths,
  type Greeting,
  type Missing,
  parseGreeting,
  parseGreetings,
  parseMissing,
} from "../model/greeting.ts";
import { parseTraceResponse, type TraceResponse } from "../model/ids.ts";
import { record, text } from "../model/json.ts";
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
  /** The greetings that have arrived so far, also those of a request that failed in the end. */
  arrived: Greeting[];
  result: GreetingResult | undefined;
  failure: Failure | undefined;
}

const NOTHING: GreetingState = { isSending: false, arrived: [], result: undefined, failure: undefined };

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
  const arrived: Greeting[] = [];
  try {
    const response = await streamed(base, arrived).catch((error: unknown) => {
      // A gateway before GreetingStream.
      if (error instanceof Failure && error.details.code === "NOT_FOUND") return whole(base);
      throw error;
    });
    const { body, headers, took } = response;
    const result = {
      ...body,
      took,
      trace: parseTraceResponse(headers.get("traceresponse")),
      requestId: headers.get("x-request-id"),
      at: Date.now(),
    };
    if (base !== api.value) return;
    greeting.value = { isSending: false, arrived: body.greetings, result, failure: undefined };
  } catch (error) {
    if (base !== api.value) return;
    const failure = toFailure(error, base + STREAM);
    greeting.value = { isSending: false, arrived, result: undefined, failure };
  }
  for (const after of SPANS_ARRIVE_MS) setTimeout(refresh, after);
}

const STREAM = "/api/greeting/stream";

type Answer = Pick<GreetingResult, "greetings" | "missing">;

/** Each greeting shows as soon as it arrives. */
async function streamed(base: string, greetings: Greeting[]): Promise<JsonResponse<Answer>> {
  const onMessage = (json: unknown) => {
    greetings.push(parseGreeting(json));
    if (base !== api.value) return;
    greeting.value = { isSending: true, arrived: [...greetings], result: undefined, failure: undefined };
  };
  const response = await fetchStream({ base, path: STREAM, onMessage });
  const missing = text(record(response.body)?.["grpc-trailer-octet-missing"]);
  return { ...response, body: { greetings, missing: parseMissing(missing ?? null) } };
}

async function whole(base: string): Promise<JsonResponse<Answer>> {
  const response = await fetchJson({ base, path: "/api/greeting", parse: parseGreetings });
  const missing = parseMissing(response.headers.get("grpc-metadata-octet-missing"));
  return { ...response, body: { greetings: response.body, missing } };
}
