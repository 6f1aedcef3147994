/** The results of a load run, from this tab's requests or from the gateway's `octet load`. */

import { type Bin, histogram } from "./histogram.ts";
import { percentile, type Summary, sorted, summary } from "./percentiles.ts";

export interface Sample {
  /** Milliseconds after the run's start. */
  at: number;
  /**
   * Milliseconds from sending the request to the first byte of the response; without a resource timing, from `fetch` to
   * the last byte.
   */
  took: number;
  /** Milliseconds of waiting in the browser for a connection; undefined without a resource timing. */
  waited: number | undefined;
  /** An HTTP status, or why there was none. */
  status: string;
  ok: boolean;
  traceId: string | undefined;
}

/** The requests that ended in one second of the run, whatever their outcome. */
export interface Second {
  /** Seconds after the start. */
  second: number;
  /** In seconds: 1, or less for the last. */
  length: number;
  requests: number;
  /** Requests that did not succeed, by outcome. */
  errors: [outcome: string, count: number][];
  /** Undefined when no request ended: there is nothing to draw. */
  p50: number | undefined;
  p99: number | undefined;
}

/** One request. */
export interface Example {
  at: number;
  took: number;
  outcome: string;
  traceId: string | undefined;
}

export interface LoadReport {
  /** Successful requests only: errors that return immediately would make the mesh look fast. */
  latency: Summary | undefined;
  /** All requests that ended. */
  all: Summary | undefined;
  /** Undefined where the requests do not wait in a browser. */
  waited: Summary | undefined;
  bins: Bin[];
  seconds: Second[];
  outcomes: [outcome: string, count: number][];
  slowest: Example[];
  failures: Example[];
  count: number;
  failed: number;
  /** All requests, failed ones included. */
  perSecond: number;
  /** Whether the latency includes the wait for a connection, because a resource timing is missing. */
  includesWait: boolean;
}

const SLOWEST = 20;
/** Of the first failed requests, and of the last. */
const FAILED = 25;

/** The report of this tab's requests. `elapsed` in milliseconds. */
export function newReport(samples: readonly Sample[], elapsed: number): LoadReport {
  const successful = samples.filter((sample) => sample.ok);
  const failed = samples.filter((sample) => !sample.ok);
  const times = successful.map((sample) => sample.took);
  const waits = samples.map((sample) => sample.waited).filter((waited) => waited !== undefined);
  const slowest = [...successful].sort((one, other) => other.took - one.took).slice(0, SLOWEST);
  const failures =
    failed.length > 2 * FAILED ? [...failed.slice(0, FAILED), ...failed.slice(-FAILED)] : failed;
  return {
    latency: summary(times),
    all: summary(samples.map((sample) => sample.took)),
    waited: summary(waits),
    bins: histogram(times),
    seconds: seconds(samples, elapsed),
    outcomes: counted(samples),
    slowest: slowest.map(example),
    failures: failures.map(example),
    count: samples.length,
    failed: failed.length,
    perSecond: elapsed > 0 ? (samples.length / elapsed) * 1000 : 0,
    includesWait: successful.some((sample) => sample.waited === undefined),
  };
}

function example({ at, took, status, traceId }: Sample): Example {
  return { at, took, outcome: status, traceId };
}

function counted(samples: readonly Sample[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { status } of samples) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]);
}

/** A row for each second up to `elapsed`, also for those in which no request ended. */
function seconds(samples: readonly Sample[], elapsed: number): Second[] {
  const groups = new Map<number, Sample[]>();
  const last = Math.max(Math.ceil(elapsed / 1000) - 1, 0);
  for (const sample of samples) {
    const end = (sample.at + (sample.waited ?? 0) + sample.took) / 1000;
    const second = Math.min(Math.floor(end), last);
    const group = groups.get(second);
    if (group) group.push(sample);
    else groups.set(second, [sample]);
  }
  return Array.from({ length: elapsed > 0 ? last + 1 : 0 }, (_, second) => {
    const group = groups.get(second) ?? [];
    const ascending = sorted(group.map((sample) => sample.took));
    return {
      second,
      length: Math.min(elapsed / 1000 - second, 1),
      requests: group.length,
      errors: counted(group.filter((sample) => !sample.ok)),
      p50: percentile(ascending, 0.5),
      p99: percentile(ascending, 0.99),
    };
  });
}

/** The runs of neighbouring seconds in which a request ended: no line is drawn from one to the next. */
export function unbroken(rows: readonly Second[]): Second[][] {
  const runs: Second[][] = [];
  let isOpen = false;
  for (const row of rows) {
    if (row.p50 === undefined) isOpen = false;
    else if (isOpen) runs.at(-1)?.push(row);
    else {
      runs.push([row]);
      isOpen = true;
    }
  }
  return runs;
}

/** One line per request, times in milliseconds. */
export function toCsv(samples: readonly Sample[]): string {
  const lines = samples.map(({ at, took, waited, status, traceId }) =>
    [at.toFixed(1), took.toFixed(2), waited?.toFixed(2) ?? "", status, traceId ?? ""].join(","),
  );
  return `${["at_ms,took_ms,waited_ms,status,trace_id", ...lines].join("\n")}\n`;
}

/** One line per second, times in milliseconds. */
export function secondsToCsv(rows: readonly Second[]): string {
  const lines = rows.map(({ second, requests, errors, p50, p99 }) => {
    const failed = errors.reduce((sum, [, count]) => sum + count, 0);
    return [second, requests, failed, p50 ?? "", p99 ?? ""].join(",");
  });
  return `${["second,requests,failed,p50_ms,p99_ms", ...lines].join("\n")}\n`;
}
