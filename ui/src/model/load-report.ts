/** What a load run measured. */

import { type Bin, histogram } from "./histogram.ts";
import { percentile, type Summary, sorted, summary } from "./percentiles.ts";

export interface Sample {
  /** Milliseconds after the run's begin at which it was asked. */
  at: number;
  /**
   * Milliseconds from the request's being sent to its answer's first byte; where the browser does not tell, from
   * asking to the last.
   */
  took: number;
  /** Milliseconds it waited in the browser for a connection; undefined where the browser does not tell. */
  waited: number | undefined;
  /** An HTTP status, or `no answer`. */
  status: string;
  isGood: boolean;
  traceId: string | undefined;
}

export interface Slice {
  at: number;
  p50: number;
  p99: number;
  count: number;
}

export interface LoadReport {
  /** Of the good ones alone: an error that comes at once would make the mesh look fast. */
  latency: Summary | undefined;
  waited: Summary | undefined;
  bins: Bin[];
  overTime: Slice[];
  statuses: [status: string, count: number][];
  slowest: Sample[];
  count: number;
  bad: number;
  /** Of all that were answered, well or not. */
  perSecond: number;
  /** Whether `took` is without the wait for a connection, for each of them. */
  isOnTheWire: boolean;
}

const SLICES = 60;
const SLOWEST = 10;

/** `elapsed` in milliseconds. */
export function reportOf(samples: readonly Sample[], elapsed: number): LoadReport {
  const good = samples.filter((sample) => sample.isGood);
  const times = good.map((sample) => sample.took);
  const waits = samples.map((sample) => sample.waited).filter((waited) => waited !== undefined);
  const statuses = new Map<string, number>();
  for (const { status } of samples) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  return {
    latency: summary(times),
    waited: summary(waits),
    bins: histogram(times),
    overTime: slices(good, elapsed),
    statuses: [...statuses].sort((one, other) => other[1] - one[1]),
    slowest: [...good].sort((one, other) => other.took - one.took).slice(0, SLOWEST),
    count: samples.length,
    bad: samples.length - good.length,
    perSecond: elapsed > 0 ? (samples.length / elapsed) * 1000 : 0,
    isOnTheWire: samples.length > 0 && waits.length === samples.length,
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
      // The last one may be cut short by the run's end.
      const end = Math.min((index + 1) * width, Math.max(elapsed, index * width));
      return { at: (index * width + end) / 2, p50: at(0.5), p99: at(0.99), count: times.length };
    });
}

/** One line a request, times in milliseconds. */
export function toCsv(samples: readonly Sample[]): string {
  const lines = samples.map(({ at, took, waited, status, traceId }) =>
    [at.toFixed(1), took.toFixed(2), waited?.toFixed(2) ?? "", status, traceId ?? ""].join(","),
  );
  return `${["at_ms,took_ms,waited_ms,status,trace_id", ...lines].join("\n")}\n`;
}
