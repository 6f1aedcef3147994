/** Sends a plan's requests, as many at once as it has users. */

import { parseTraceResponse } from "../model/ids.ts";
import { LIMITS, type LoadPlan } from "../model/load-plan.ts";
import type { Sample } from "../model/load-report.ts";
import { type WireTime, watchWire } from "./wire-times.ts";

/** Milliseconds after which an answer is not waited for any more. */
const PATIENCE_MS = 15_000;

/** Milliseconds for the browser to hand over the last timings. */
const LAST_TIMINGS_MS = 150;

/**
 * Fills `samples` until the plan is fulfilled or `signal` stops it. Requests under way then still have their answers:
 * ones that are given up would be errors of the mesh, which nobody but the page has made.
 *
 * Answers how long it took, in milliseconds: to the last answer, or to the plan's own end where that came later.
 */
export async function runLoad(
  base: string,
  plan: LoadPlan,
  samples: Sample[],
  signal: AbortSignal,
): Promise<number> {
  const begun = performance.now();
  const end = plan.seconds === undefined ? Number.POSITIVE_INFINITY : begun + plan.seconds * 1000;
  const most = plan.requests ?? LIMITS.requests.most;
  // By its own URL each timing finds its request; the gateway ignores keys that no field has.
  const prefix = `${base}/api/greeting?load=${Math.floor(Math.random() * 1e9).toString(36)}-`;
  // Which of the two comes first is the browser's choice.
  const untimed = new Map<string, Sample>();
  const unclaimed = new Map<string, WireTime>();
  const unwatch = watchWire(prefix, (url, time) => {
    const sample = untimed.get(url);
    if (!sample) unclaimed.set(url, time);
    else Object.assign(sample, time);
    untimed.delete(url);
  });

  let next = 0;
  const user = async () => {
    while (!signal.aborted && next < most && performance.now() < end) {
      const index = next;
      next += 1;
      if (plan.rate !== undefined) {
        const due = begun + (index * 1000) / plan.rate;
        // With nothing more to send it still lasts its time, so that a rate is one of all of it.
        if (!(await waitUntil(Math.min(due, end), signal)) || due >= end) return;
      }
      const url = `${prefix}${index}`;
      const sample = await send(url, begun);
      const time = unclaimed.get(url);
      unclaimed.delete(url);
      if (time) Object.assign(sample, time);
      else untimed.set(url, sample);
      samples.push(sample);
    }
  };
  await Promise.all(Array.from({ length: plan.users }, user));
  const took = performance.now() - begun;
  await new Promise((resolve) => setTimeout(resolve, LAST_TIMINGS_MS));
  unwatch();
  return took;
}

async function send(url: string, begun: number): Promise<Sample> {
  const asked = performance.now();
  const sample = { at: asked - begun, waited: undefined, traceId: undefined };
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json" },
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await response.text();
    const traceId = parseTraceResponse(response.headers.get("traceresponse"))?.traceId;
    const took = performance.now() - asked;
    return { ...sample, took, status: String(response.status), isGood: response.ok, traceId };
  } catch {
    return { ...sample, took: performance.now() - asked, status: "no answer", isGood: false };
  }
}

/** Whether the moment came, and nobody stopped it. */
function waitUntil(due: number, signal: AbortSignal): Promise<boolean> {
  const left = due - performance.now();
  if (left <= 0) return Promise.resolve(!signal.aborted);
  return new Promise((resolve) => {
    const stopped = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stopped);
      resolve(true);
    }, left);
    signal.addEventListener("abort", stopped, { once: true });
  });
}
