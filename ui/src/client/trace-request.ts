/** The request for one trace. */

import { backendTraceId } from "../model/ids.ts";
import type { Json } from "../model/json.ts";
import { parseTraces, type Span } from "../model/zipkin.ts";
import { Failure } from "./failure.ts";
import type { JsonRequest } from "./fetch-json.ts";

/**
 * By `/traceMany`: `/trace/ID` responds 404 while a trace is on its way, and browsers log every 404 in their console.
 * Zipkin's server refuses a single id here, so there is a second one, of no trace.
 */
export function traceRequest(base: string, id: string): JsonRequest<Span[]> {
  const known = backendTraceId(id);
  const other = known.slice(0, -1) + (known.endsWith("1") ? 2 : 1);
  const path = `/zipkin/api/v2/traceMany?traceIds=${known},${other}`;
  const parse = (json: Json) => {
    const traces = parseTraces(json);
    const found = traces?.find(([span]) => span?.traceId.endsWith(id.slice(-16)));
    if (traces && !found) {
      throw new Failure("error", base + path, "Trace not found", {
        status: "no spans",
        cause: "It has not arrived yet, was not sampled, or has expired.",
      });
    }
    return found;
  };
  return { base, path, parse };
}
