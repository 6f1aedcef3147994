/** Sends the requests of a load plan from this tab. */

import { parseTraceResponse } from "../model/ids.ts";
import { type LoadPlan, TAB_LIMITS } from "../model/load-plan.ts";
import type { Sample } from "../model/load-report.ts";
import { observeTimings, type RequestTiming } from "./request-timing.ts";

/** Milliseconds after which a request is given up. */
const TIMEOUT_MS = 15_000;

/** Milliseconds in which the browser delivers the last resource timings, even when it is busy. */
const LAST_TIMINGS_MS = 3_000;

/**
 * Fills `samples` until the plan is complete or `signal` stops it. Requests in flight at that moment still finish:
 * aborting them would count as errors that the mesh did not make.
 *
 * Returns the run's duration in milliseconds: until the last response, or until the plan's end if that is later.
 */
export async function runLoad(
  base: string,
  plan: LoadPlan,
  samples: Sample[],
  signal: AbortSignal,
): Promise<number> {
  const started = performance.now();
  const end = plan.seconds === undefined ? Number.POSITIVE_INFINITY : started + plan.seconds * 1000;
  const maxRequests = plan.requests ?? TAB_LIMITS.requests.max;
  // A unique URL matches each resource timing to its request; the gateway ignores unknown query parameters.
  const prefix = `${base}/api/greeting?load=${Math.floor(Math.random() * 1e9).toString(36)}-`;
  // The browser delivers a timing before or after the response.
  const withoutTiming = new Map<string, Sample>();
  const earlyTimings = new Map<string, RequestTiming | undefined>();
  const stopObserving = observeTimings(prefix, (url, timing) => {
    const sample = withoutTiming.get(url);
    if (!sample) earlyTimings.set(url, timing);
    else Object.assign(sample, timing);
    withoutTiming.delete(url);
  });

  let next = 0;
  const user = async () => {
    while (!signal.aborted && next < maxRequests && performance.now() < end) {
      const index = next;
      next += 1;
      if (plan.rate !== undefined) {
        const due = started + (index * 1000) / plan.rate;
        // After its last request the run still lasts until its end, so that the rate covers the whole duration.
        if (!(await waitUntil(Math.min(due, end), signal)) || due >= end) return;
      }
      const url = `${prefix}${index}`;
      const sample = await send(url, started);
      if (earlyTimings.has(url)) Object.assign(sample, earlyTimings.get(url));
      else if (sample.ok) withoutTiming.set(url, sample);
      earlyTimings.delete(url);
      samples.push(sample);
    }
  };
  await Promise.all(Array.from({ length: plan.users }, user));
  const elapsed = performance.now() - started;
  const deadline = performance.now() + LAST_TIMINGS_MS;
  while (withoutTiming.size > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  stopObserving();
  return elapsed;
}

async function send(url: string, started: number): Promise<Sample> {
  const sentAt = performance.now();
  const sample = { at: sentAt - started, waited: undefined, traceId: undefined };
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json" },
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.text();
    const traceId = parseTraceResponse(response.headers.get("traceresponse"))?.traceId;
    const took = performance.now() - sentAt;
    return { ...sample, took, status: String(response.status), ok: response.ok, traceId };
  } catch (error) {
    const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
    const status = isTimeout ? "timeout" : "no response";
    return { ...sample, took: performance.now() - sentAt, status, ok: false };
  }
}

/** Resolves to false when `signal` aborts before `due`. */
function waitUntil(due: number, signal: AbortSignal): Promise<boolean> {
  const left = due - performance.now();
  if (left <= 0) return Promise.resolve(!signal.aborted);
  return new Promise((resolve) => {
    const onAbort = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve(true);
    }, left);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
