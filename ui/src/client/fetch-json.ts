/** Requests for JSON from a gateway, with every error turned into a `Failure`. */

import {
  corsBlocked,
  errorResponse,
  Failure,
  mixedContent,
  timedOut,
  unexpectedResponse,
  unreachable,
} from "./failure.ts";
import { log } from "./log.ts";

/** The gateway's own deadline is 5 s, so after this no response will come. */
const TIMEOUT_MS = 15_000;

export interface JsonResponse<T> {
  body: T;
  headers: Headers;
  /** Milliseconds from sending the request to the last byte of the response. */
  took: number;
}

export interface JsonRequest<T> {
  /** The gateway's address, without a trailing slash. */
  base: string;
  /** Path and query, with a leading slash. */
  path: string;
  /** Returns undefined when the JSON does not have the expected form. */
  parse: (json: unknown) => T | undefined;
  signal?: AbortSignal;
  /** GET unless set. */
  method?: "POST" | "DELETE";
  /** Sent as JSON. */
  body?: unknown;
}

/** @throws {Failure} on every error; only an abort by the caller's own `signal` throws an `AbortError`. */
export async function fetchJson<T>({
  base,
  path,
  parse,
  signal,
  method,
  body: sent,
}: JsonRequest<T>): Promise<JsonResponse<T>> {
  const url = base + path;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const started = performance.now();
  log.debug("request", url);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      ...(method ? { method } : {}),
      ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
      headers: {
        accept: "application/json",
        ...(sent === undefined ? {} : { "content-type": "application/json" }),
      },
      cache: "no-store",
      credentials: "omit",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw await networkFailure(base, url, timeout, error);
  }
  const took = performance.now() - started;
  log.debug("response", url, response.status, took);

  const status = [response.status, response.statusText].filter((part) => part !== "").join(" ");
  const json = parseJson(text);
  if (!response.ok) {
    if (json === undefined) throw unexpectedResponse(url, status);
    throw errorResponse(url, path, {
      httpStatus: response.status,
      status,
      body: json,
      headers: response.headers,
    });
  }
  const body = json === undefined ? undefined : parse(json);
  if (body === undefined) throw unexpectedResponse(url, status);
  return { body, headers: response.headers, took };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fetch` throws the same error for every network failure; a second request separates CORS from an unreachable host. */
async function networkFailure(
  base: string,
  url: string,
  timeout: AbortSignal,
  error: unknown,
): Promise<Failure> {
  log.info("no response", url, error);
  if (timeout.aborted) return timedOut(url, TIMEOUT_MS / 1000);
  const target = new URL(url, location.href);
  if (target.origin === location.origin) return unreachable(target.href);
  if (location.protocol === "https:" && target.protocol === "http:" && target.hostname !== "localhost") {
    return mixedContent(target.href);
  }
  try {
    // An opaque response still proves that the host is up. The failed request itself is not repeated: it may have had
    // an effect.
    await fetch(`${base}/api/health`, {
      mode: "no-cors",
      credentials: "omit",
      signal: AbortSignal.timeout(3_000),
    });
    return corsBlocked(target.href, location.origin);
  } catch {
    return unreachable(target.href);
  }
}

/** A failure to show for any error, expected or not. */
export function toFailure(error: unknown, url: string): Failure {
  if (error instanceof Failure) return error;
  log.error("unexpected error", error);
  return new Failure("unexpected", url, "Unexpected error in the page", {
    status: error instanceof Error ? error.name : "unknown",
    cause:
      "This is a bug in the page. Add ?log=debug to its address to see details in the browser's console.",
  });
}
