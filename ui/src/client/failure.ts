/** A question that did not bring what it was for: what was asked, what came, and what that likely means. */

import { codeName } from "../model/grpc.ts";
import { number, record, text } from "../model/json.ts";

export type Reason =
  /** Nothing came back: gateway down, wrong address, broken connection. */
  | "unreachable"
  /** It came back, and the browser keeps it from a page of another origin. */
  | "cors"
  | "late"
  /** Refused by the gateway or by a service behind it. */
  | "refused"
  /** Nobody told the gateway where traces are. */
  | "no-traces"
  /** The trace backend is away. */
  | "traces-away"
  /** Not what the gateway answers. */
  | "foreign";

export class Failure extends Error {
  override readonly name = "Failure";

  constructor(
    readonly reason: Reason,
    readonly url: string,
    headline: string,
    readonly told: {
      /** What came, for example `503 Service Unavailable`. */
      status: string;
      /** What that likely means, and what to do. */
      cause: string;
      httpStatus?: number;
      /** The gRPC code's name. */
      code?: string;
      /** The gateway's own words. */
      detail?: string;
      requestId?: string;
    },
  ) {
    super(headline);
  }
}

export function unreachable(url: string): Failure {
  return new Failure("unreachable", url, "The gateway cannot be reached", {
    status: "no answer",
    cause:
      "It is down or restarting, the address is wrong, or the connection broke. Is “octet up” still running?",
  });
}

export function mixedContent(url: string): Failure {
  return new Failure("unreachable", url, "The browser keeps this page from asking", {
    status: "not sent",
    cause:
      "The page came by https://, and may not ask an http:// address. Use the gateway's https:// address.",
  });
}

/** The server is there, and its answers are kept from this page. */
export function corsRefused(url: string, origin: string): Failure {
  return new Failure("cors", url, "The gateway does not let this page read its answers (CORS)", {
    status: "answered, and kept from the page by the browser",
    cause: `Its ALLOWED_ORIGINS must name ${origin}, where this page came from. Or open that gateway's own page.`,
  });
}

export function late(url: string, seconds: number): Failure {
  return new Failure("late", url, `No answer within ${seconds} s`, {
    status: "no answer",
    cause: "The gateway accepted the request and is stuck, or a proxy in between is.",
  });
}

export function foreign(url: string, status: string): Failure {
  return new Failure("foreign", url, "The answer is not the gateway's", {
    status,
    cause: "A proxy, or another server on this address, answered in the gateway's place.",
  });
}

/** From an answer whose status says that it is none. `path` is the question's, without the gateway's address. */
export function refused(
  url: string,
  path: string,
  answer: { httpStatus: number; status: string; body: unknown; requestId: string | null },
): Failure {
  const body = record(answer.body);
  const code = number(body?.code);
  const detail = text(body?.message);
  const told = {
    status: answer.status,
    httpStatus: answer.httpStatus,
    ...(code === undefined ? {} : { code: codeName(code) }),
    ...(detail === undefined ? {} : { detail }),
    ...(answer.requestId === null ? {} : { requestId: answer.requestId }),
  };
  if (/^\/(zipkin|api\/mesh)/.test(path)) return tracesRefused(url, told);
  return new Failure("refused", url, "The request failed", { ...told, cause: causeOf(told.code) });
}

interface Told {
  status: string;
  httpStatus: number;
  code?: string;
  detail?: string;
  requestId?: string;
}

function tracesRefused(url: string, told: Told): Failure {
  if (/TRACE_QUERY_URL/.test(told.detail ?? "")) {
    return new Failure("no-traces", url, "This gateway knows no trace backend", {
      ...told,
      cause:
        "Greetings and load work without one. For the rest, set the gateway's TRACE_QUERY_URL to Octet's collector or " +
        "a Zipkin (“octet up” does it by itself).",
    });
  }
  if (told.httpStatus >= 500) {
    return new Failure("traces-away", url, "The trace backend does not answer", {
      ...told,
      cause: "The collector, or the Zipkin that TRACE_QUERY_URL names, is down, restarting, or overloaded.",
    });
  }
  const isUnknown = told.httpStatus === 404;
  return new Failure(
    "refused",
    url,
    isUnknown ? "There is no such trace" : "The trace backend refused the question",
    {
      ...told,
      cause: isUnknown
        ? "It has not arrived yet, was not sampled, or is older than what the trace backend keeps."
        : "A filter is not one that it understands.",
    },
  );
}

function causeOf(code: string | undefined): string {
  switch (code) {
    case "UNAVAILABLE":
      return "A service on the way is down, or its database or queue is away.";
    case "DEADLINE_EXCEEDED":
      return "A service did not answer before the deadline: it is slow, or waits for something that is.";
    case "RESOURCE_EXHAUSTED":
      return "A service has more requests than it takes.";
    case "NOT_FOUND":
      return "The gateway has no such route: an older version, or the wrong address.";
    default:
      return "A service answered with an error; its log says more, under the request's id.";
  }
}
