/** A failed request: the URL, what came back, and the likely cause. */

import { codeName } from "../model/grpc.ts";
import { parseTraceResponse } from "../model/ids.ts";
import { number, record, text } from "../model/json.ts";

export type Reason =
  /** No response: gateway down, wrong address, broken connection. */
  | "unreachable"
  /** The browser withholds the response from a page of another origin. */
  | "cors"
  | "timeout"
  /** The gateway, or a service behind it, returned an error. */
  | "error"
  /** The gateway has no `TRACE_QUERY_URL`. */
  | "no-trace-backend"
  | "trace-backend-unavailable"
  /** Not a response of the gateway's API. */
  | "unexpected";

export interface FailureDetails {
  /** For example `503 Service Unavailable`. */
  status: string;
  /** The likely cause, and what to do. */
  cause: string;
  httpStatus?: number;
  /** Name of the gRPC code. */
  code?: string;
  /** The gateway's error message. */
  detail?: string;
  requestId?: string;
  /** The request's trace, if it was sampled. */
  traceId?: string;
}

export class Failure extends Error {
  override readonly name = "Failure";

  constructor(
    readonly reason: Reason,
    readonly url: string,
    headline: string,
    readonly details: FailureDetails,
  ) {
    super(headline);
  }
}

export function unreachable(url: string): Failure {
  return new Failure("unreachable", url, "The gateway cannot be reached", {
    status: "no response",
    cause:
      "It is down or restarting, the address is wrong, or the connection broke. Is “octet up” still running?",
  });
}

export function mixedContent(url: string): Failure {
  return new Failure("unreachable", url, "The browser blocked the request (mixed content)", {
    status: "not sent",
    cause:
      "This page was loaded over https:// and must not call an http:// address. Use the gateway's https:// address.",
  });
}

export function corsBlocked(url: string, origin: string): Failure {
  return new Failure("cors", url, "The gateway does not allow this page to read its responses (CORS)", {
    status: "blocked by the browser",
    cause: `Add ${origin}, this page's origin, to the gateway's ALLOWED_ORIGINS, or open that gateway's own page.`,
  });
}

export function timedOut(url: string, seconds: number): Failure {
  return new Failure("timeout", url, `No response within ${seconds} s`, {
    status: "no response",
    cause: "The gateway, or a proxy in front of it, accepted the request but did not respond.",
  });
}

export function unexpectedResponse(url: string, status: string): Failure {
  return new Failure("unexpected", url, "The response is not from an Octet gateway", {
    status,
    cause: "A proxy or another server responded instead of the gateway.",
  });
}

/** From a response with an error status. `path` is the request's path, without the gateway's address. */
export function errorResponse(
  url: string,
  path: string,
  response: { httpStatus: number; status: string; body: unknown; headers: Headers },
): Failure {
  const details = {
    ...errorDetails(response.body, response.headers),
    status: response.status,
    httpStatus: response.httpStatus,
  };
  if (/^\/(zipkin|api\/mesh)/.test(path)) return traceBackendFailure(url, details);
  return new Failure("error", url, "The request failed", { ...details, cause: likelyCause(details.code) });
}

/** From the `error` event of a stream whose messages had started to arrive. */
export function streamFailure(url: string, error: unknown, headers: Headers): Failure {
  const details = errorDetails(error, headers);
  return new Failure("error", url, "The request failed", {
    ...details,
    status: "failed after its first greeting",
    cause: likelyCause(details.code),
  });
}

/** What an error of the gateway says, and what the response's headers add. */
function errorDetails(error: unknown, headers: Headers): Omit<FailureDetails, "status" | "cause"> {
  const body = record(error);
  const code = number(body?.code);
  const detail = text(body?.message);
  const requestId = headers.get("x-request-id");
  const trace = parseTraceResponse(headers.get("traceresponse"));
  return {
    ...(code === undefined ? {} : { code: codeName(code) }),
    ...(detail === undefined ? {} : { detail }),
    ...(requestId === null ? {} : { requestId }),
    ...(trace?.recorded ? { traceId: trace.traceId } : {}),
  };
}

function traceBackendFailure(
  url: string,
  details: Omit<FailureDetails, "cause"> & { httpStatus: number },
): Failure {
  if (/TRACE_QUERY_URL/.test(details.detail ?? "")) {
    return new Failure("no-trace-backend", url, "No trace backend is configured", {
      ...details,
      cause:
        "Greeting and Load work without one. Set the gateway's TRACE_QUERY_URL to Octet's collector (“octet up” does), or, " +
        "where OTEL_EXPORTER_* sends spans to a backend of your own, to that backend's Zipkin API.",
    });
  }
  if (details.httpStatus >= 500) {
    return new Failure("trace-backend-unavailable", url, "The trace backend is unavailable", {
      ...details,
      cause: "The collector, or the Zipkin server in TRACE_QUERY_URL, is down, restarting or overloaded.",
    });
  }
  return new Failure("error", url, "The trace backend rejected the query", {
    ...details,
    cause: "It does not support one of the filters.",
  });
}

function likelyCause(code: string | undefined): string {
  switch (code) {
    case "UNAVAILABLE":
      return "A service on the path is down, or its database or queue is unavailable.";
    case "DEADLINE_EXCEEDED":
      return "A service did not respond before the deadline: it is slow, or waits for something slow.";
    case "RESOURCE_EXHAUSTED":
      return "A service is at its limit of concurrent requests.";
    case "NOT_FOUND":
      return "The gateway has no such route: it is an older version, or the address is wrong.";
    case "INVALID_ARGUMENT":
      return "The request is invalid: the message says what is allowed.";
    case "UNAUTHENTICATED":
    case "PERMISSION_DENIED":
      return "This client may not do that: the message says who may.";
    default:
      return "A service returned an error. Search its log for the request id.";
  }
}
