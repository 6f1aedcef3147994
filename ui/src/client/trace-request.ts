/** The request for one trace. */

import { backendTraceId } from "../model/ids.ts";
import type { Json } from "../model/json.ts";
import { parseTraces, type Span } from "../model/zipkin.ts";
import { Failure } from "./failure.ts";
import type { JsonRequest } from "./fetch-json.ts";

/**
 * By `/traceMany`: `/trace/ID` responds 404 while a trace is on its way, and browsers log every 404 in their console.
 * Zipkin's server refuses a single id here, so there is a second one, which random ids do not have.
 */
export function traceRequest(base: string, id: string): JsonRequest<Span[]> {
  const path = `/zipkin/api/v2/traceMany?traceIds=${backendTraceId(id)},ff`;
  const parse = (json: Json) => {
    const traces = parseTraces(json);
    const found = traces?.find(([span]) => span?.traceId.endsWith(id.slice(-16)));
    if (traces && !found) {
      throw new Failure("error", base + path, "Trace not found", {
        status: "no trace",
        cause: "It was not sampled, has not arrived, or has expired.",
      });
    }
    return found;
  };
  return { base, path, parse };
}
