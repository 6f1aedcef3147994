/** The results of a load run. */

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
  /** An HTTP status, or `no response`. */
  status: string;
  ok: boolean;
  traceId: string | undefined;
}

export interface Slice {
  at: number;
  p50: number;
  p99: number;
  count: number;
}

export interface LoadReport {
  /** Successful requests only: errors that return immediately would make the mesh look fast. */
  latency: Summary | undefined;
  waited: Summary | undefined;
  bins: Bin[];
  overTime: Slice[];
  statuses: [status: string, count: number][];
  slowest: Sample[];
  count: number;
  failed: number;
  /** All requests, failed ones included. */
  perSecond: number;
  /** Whether the latency includes the wait for a connection, because a resource timing is missing. */
  includesWait: boolean;
}

const SLICES = 60;
const SLOWEST = 10;

/** `elapsed` in milliseconds. */
export function newReport(samples: readonly Sample[], elapsed: number): LoadReport {
  const successful = samples.filter((sample) => sample.ok);
  const times = successful.map((sample) => sample.took);
  const waits = samples.map((sample) => sample.waited).filter((waited) => waited !== undefined);
  const statuses = new Map<string, number>();
  for (const { status } of samples) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  return {
    latency: summary(times),
    waited: summary(waits),
    bins: histogram(times),
    overTime: slices(successful, elapsed),
    statuses: [...statuses].sort((one, other) => other[1] - one[1]),
    slowest: [...successful].sort((one, other) => other.took - one.took).slice(0, SLOWEST),
    count: samples.length,
    failed: samples.length - successful.length,
    perSecond: elapsed > 0 ? (samples.length / elapsed) * 1000 : 0,
    includesWait: successful.some((sample) => sample.waited === undefined),
  };
}

function slices(samples: readonly Sample[], elapsed: number): Slice[] {
  const width = Math.max(elapsed / SLICES, 100);
  const groups = new Map<number, number[]>();
  for (const { at, took } of samples) {
    const index = Math.floor(at / width);
    const group = groups.get(index);
    if (group) group.push(took);
    else groups.set(index, [took]);
  }
  return [...groups]
    .sort(([one], [other]) => one - other)
    .map(([index, times]) => {
      const ascending = sorted(times);
      const at = (share: number) => percentile(ascending, share) ?? 0;
      // The run may end within the last slice.
      const end = Math.min((index + 1) * width, Math.max(elapsed, index * width));
      return { at: (index * width + end) / 2, p50: at(0.5), p99: at(0.99), count: times.length };
    });
}

/** One line per request, times in milliseconds. */
export function toCsv(samples: readonly Sample[]): string {
  const lines = samples.map(({ at, took, waited, status, traceId }) =>
    [at.toFixed(1), took.toFixed(2), waited?.toFixed(2) ?? "", status, traceId ?? ""].join(","),
  );
  return `${["at_ms,took_ms,waited_ms,status,trace_id", ...lines].join("\n")}\n`;
}
