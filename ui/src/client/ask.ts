/** One question to a gateway, and its answer or why there is none. */

import { corsRefused, Failure, foreign, late, mixedContent, refused, unreachable } from "./failure.ts";
import { log } from "./log.ts";

/** The gateway ends a call after its deadline of 5 s; past this, nothing will come. */
const PATIENCE_MS = 15_000;

export interface Answer<T> {
  body: T;
  headers: Headers;
  /** Milliseconds from asking to the answer's last byte. */
  took: number;
}

export interface Question<T> {
  /** The gateway's address, without a slash at its end. */
  base: string;
  /** With its slash, and its query. */
  path: string;
  /** Undefined where the JSON is not what was asked for. */
  parse: (json: unknown) => T | undefined;
  signal?: AbortSignal;
}

/** @throws {Failure} for everything that goes wrong, but for the caller's own `signal`: that is an `AbortError`. */
export async function ask<T>({ base, path, parse, signal }: Question<T>): Promise<Answer<T>> {
  const url = base + path;
  const timeout = AbortSignal.timeout(PATIENCE_MS);
  const started = performance.now();
  log.debug("asking", url);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      headers: { accept: "application/json" },
      cache: "no-store",
      credentials: "omit",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw await unanswered(base, url, timeout, error);
  }
  const took = performance.now() - started;
  log.debug("answered", url, response.status, took);

  const status = [response.status, response.statusText].filter((part) => part !== "").join(" ");
  const json = parsed(text);
  if (!response.ok) {
    if (json === undefined) throw foreign(url, status);
    const requestId = response.headers.get("x-request-id");
    throw refused(url, path, { httpStatus: response.status, status, body: json, requestId });
  }
  const body = json === undefined ? undefined : parse(json);
  if (body === undefined) throw foreign(url, status);
  return { body, headers: response.headers, took };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fetch` says the same of every failure on the way; whether anything answers at all tells a refusal from an absence. */
async function unanswered(base: string, url: string, timeout: AbortSignal, error: unknown): Promise<Failure> {
  log.info("no answer", url, error);
  if (timeout.aborted) return late(url, PATIENCE_MS / 1000);
  const target = new URL(url, location.href);
  if (target.origin === location.origin) return unreachable(target.href);
  if (location.protocol === "https:" && target.protocol === "http:" && target.hostname !== "localhost") {
    return mixedContent(target.href);
  }
  try {
    // An answer that the page may not read is an answer all the same; the question itself may not be repeated: it may
    // have done its work.
    await fetch(`${base}/api/health`, {
      mode: "no-cors",
      credentials: "omit",
      signal: AbortSignal.timeout(3_000),
    });
    return corsRefused(target.href, location.origin);
  } catch {
    return unreachable(target.href);
  }
}

/** What a caller shows of an error that it did not expect. */
export function asFailure(error: unknown, url: string): Failure {
  if (error instanceof Failure) return error;
  log.error("unexpected", error);
  return new Failure("foreign", url, "The page met something it does not know", {
    status: error instanceof Error ? error.name : "unknown",
    cause: "This is a fault of the page; with ?log=debug the browser's console says more.",
  });
}
