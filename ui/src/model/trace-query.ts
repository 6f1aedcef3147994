/** The filters of Traces: from the URL, and as parameters of Zipkin's API. */

import { LOOKBACKS, lookbackName } from "./route.ts";

export const LIMITS = [20, 50, 100, 500] as const;

export interface TraceQuery {
  service: string;
  /** The called service. */
  remote: string;
  name: string;
  /** `error`, or `http.route=/api/greeting`; several with ` and `. */
  tag: string;
  /** Durations as typed; `problems` reports invalid ones. */
  min: string;
  max: string;
  lookback: string;
  limit: number;
}

export function readTraceQuery(query: Readonly<Record<string, string>>): TraceQuery {
  const limit = LIMITS.find((known) => String(known) === query.limit) ?? 50;
  const { service = "", remote = "", name = "", tag = "", min = "", max = "" } = query;
  return { service, remote, name, tag, min, max, lookback: lookbackName(query, "15m"), limit };
}

/** Microseconds of `5ms`, `300 µs`, `1.5s` or a number of milliseconds; undefined when invalid. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(us|µs|μs|ms|s|)$/.exec(text.trim().toLowerCase());
  if (!match) return undefined;
  const factor = { us: 1, µs: 1, μs: 1, ms: 1_000, s: 1_000_000 }[match[2] ?? ""] ?? 1_000;
  const value = Math.round(Number(match[1]) * factor);
  return value > 0 ? value : undefined;
}

/** Error messages for the filters. */
export function problems(query: TraceQuery): string[] {
  const { min, max } = query;
  const found: string[] = [];
  const [from, to] = [parseDuration(min), parseDuration(max)];
  for (const [name, typed, value] of [
    ["Min", min, from],
    ["Max", max, to],
  ] as const) {
    if (typed !== "" && value === undefined)
      found.push(`${name} duration must be a value such as 300us, 5ms or 1.5s.`);
  }
  if (from !== undefined && to !== undefined && from > to) {
    found.push("Min duration is greater than max duration.");
  }
  return found;
}

/** Path and query of Zipkin's search. */
export function searchPath(query: TraceQuery): string {
  const parameters = new URLSearchParams();
  const set = (key: string, value: string) => {
    if (value !== "") parameters.set(key, value);
  };
  set("serviceName", query.service);
  set("remoteServiceName", query.remote);
  set("spanName", query.name.toLowerCase());
  set("annotationQuery", query.tag);
  set("minDuration", String(parseDuration(query.min) ?? ""));
  // Zipkin rejects maxDuration without minDuration.
  const max = parseDuration(query.max);
  if (max !== undefined) {
    set("minDuration", String(parseDuration(query.min) ?? 1));
    set("maxDuration", String(max));
  }
  set("lookback", String(LOOKBACKS[query.lookback] ?? LOOKBACKS["15m"]));
  set("limit", String(query.limit));
  return `/zipkin/api/v2/traces?${parameters}`;
}
