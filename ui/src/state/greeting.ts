/** The last greeting that was sent, from wherever its button was pressed. */

import { effect, signal } from "@preact/signals";
import { asFailure, ask } from "../client/ask.ts";
import type { Failure } from "../client/failure.ts";
import { failedPath, type Greeting, type Missing, parseGreetings, parseMissing } from "../model/greeting.ts";
import { parseTraceResponse, type TraceResponse } from "../model/ids.ts";
import { api } from "./api.ts";
import { refresh, topology } from "./mesh.ts";

export interface Answered {
  greetings: Greeting[];
  missing: Missing[];
  /** Milliseconds. */
  took: number;
  trace: TraceResponse | undefined;
  requestId: string | null;
}

export interface Sent {
  isUnderWay: boolean;
  answered: Answered | undefined;
  failure: Failure | undefined;
  /** The services that the failure names, from the entry's callee to the culprit. */
  path: string[];
}

const NOTHING: Sent = { isUnderWay: false, answered: undefined, failure: undefined, path: [] };

export const sent = signal<Sent>(NOTHING);

// Another gateway knows neither the greeting nor its trace.
effect(() => {
  void api.value;
  sent.value = NOTHING;
});

/** Milliseconds after which a trace's spans have arrived, mostly: exporters gather them for a moment. */
const SPANS_ARRIVE = [300, 1_200, 2_500];

export async function send(): Promise<void> {
  if (sent.value.isUnderWay) return;
  sent.value = { ...sent.value, isUnderWay: true };
  const base = api.value;
  const path = "/api/greeting";
  try {
    const { body, headers, took } = await ask({ base, path, parse: parseGreetings });
    const answered = {
      greetings: body,
      missing: parseMissing(headers.get("grpc-metadata-octet-missing")),
      took,
      trace: parseTraceResponse(headers.get("traceresponse")),
      requestId: headers.get("x-request-id"),
    };
    if (base !== api.value) return;
    sent.value = { isUnderWay: false, answered, failure: undefined, path: [] };
  } catch (error) {
    if (base !== api.value) return;
    const failure = asFailure(error, base + path);
    const names = topology.value.data?.services.map((service) => service.name) ?? [];
    const culprits = failedPath(failure.told.detail ?? "", names);
    sent.value = { isUnderWay: false, answered: undefined, failure, path: culprits };
  }
  for (const after of SPANS_ARRIVE) setTimeout(refresh, after);
}
