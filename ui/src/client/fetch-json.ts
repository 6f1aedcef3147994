/** Requests to a gateway, for JSON or for a stream of it, with every error turned into a `Failure`. */

import { EventParser } from "../model/event-stream.ts";
import {
  corsBlocked,
  errorResponse,
  Failure,
  mixedContent,
  streamFailure,
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

interface GatewayRequest {
  /** The gateway's address, without a trailing slash. */
  base: string;
  /** Path and query, with a leading slash. */
  path: string;
  signal?: AbortSignal;
  /** GET unless set. */
  method?: "POST" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in the place of `body`. */
  text?: string;
  headers?: Record<string, string>;
}

export interface JsonRequest<T> extends GatewayRequest {
  /** Returns undefined when the JSON does not have the expected form. */
  parse: (json: unknown) => T | undefined;
}

export interface StreamRequest extends GatewayRequest {
  onMessage: (json: unknown) => void;
}

/** @throws {Failure} on every error; only an abort by the caller's own `signal` throws an `AbortError`. */
export async function fetchJson<T>(request: JsonRequest<T>): Promise<JsonResponse<T>> {
  const { response, read, took } = await exchange(request, "application/json", (response) => response.text());
  const json = parseJson(read);
  const body = json === undefined ? undefined : request.parse(json);
  if (body === undefined) throw unexpectedResponse(request.base + request.path, statusOf(response));
  return { body, headers: response.headers, took };
}

/**
 * Reads the server-sent events of a streaming RPC. The body of the result is the data of the `end` event: the trailers.
 *
 * @throws {Failure} as `fetchJson`, and when the stream breaks or ends with an `error` event.
 */
export async function fetchStream(request: StreamRequest): Promise<JsonResponse<unknown>> {
  const url = request.base + request.path;
  const { response, read, took } = await exchange(request, "text/event-stream", async (response) => {
    if (!/^text\/event-stream\b/.test(response.headers.get("content-type") ?? "")) {
      throw unexpectedResponse(url, statusOf(response));
    }
    const events = new EventParser();
    const text = new TextDecoder();
    for (const reader = response.body?.getReader(); reader; ) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const { type, data } of events.push(text.decode(value, { stream: true }))) {
        const json = parseJson(data);
        if (type === "message") request.onMessage(json);
        if (type === "error") throw streamFailure(url, json, response.headers);
        if (type === "end") return json;
      }
    }
    throw new TypeError("the stream ended without an end event");
  });
  return { body: read, headers: response.headers, took };
}

/** Sends a request and reads a successful response. */
async function exchange<T>(
  { base, path, signal, method, body: sent, text, headers }: GatewayRequest,
  accept: string,
  read: (response: Response) => Promise<T>,
): Promise<{ response: Response; read: T; took: number }> {
  const url = base + path;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const started = performance.now();
  log.debug("request", url);
  let response: Response;
  let error: string;
  try {
    response = await fetch(url, {
      ...(method ? { method } : {}),
      ...(text ? { body: text } : sent === undefined ? {} : { body: JSON.stringify(sent) }),
      headers: { accept, ...headers, ...(sent === undefined ? {} : { "content-type": "application/json" }) },
      cache: "no-store",
      credentials: "omit",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (response.ok) {
      const content = await read(response);
      const took = performance.now() - started;
      log.debug("response", url, response.status, took);
      return { response, read: content, took };
    }
    error = await response.text();
  } catch (error) {
    if (signal?.aborted || error instanceof Failure) throw error;
    throw await networkFailure(base, url, timeout, error);
  }
  log.debug("response", url, response.status);
  const [status, json] = [statusOf(response), parseJson(error)];
  if (json === undefined) throw unexpectedResponse(url, status);
  throw errorResponse(url, path, {
    httpStatus: response.status,
    status,
    body: json,
    headers: response.headers,
  });
}

function statusOf({ status, statusText }: Response): string {
  return [status, statusText].filter((part) => part !== "").join(" ");
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
    cause: "This is a bug in the page. With ?log=debug its console has details.",
  });
}
