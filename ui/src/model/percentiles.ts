/** Percentiles of measured times, by the nearest rank: each is a time that was measured. */

export function sorted(values: readonly number[]): number[] {
  return [...values].sort((one, other) => one - other);
}

/** `share` of 0.99 is the 99th percentile; undefined of nothing. `ascending` must be sorted. */
export function percentile(ascending: readonly number[], share: number): number | undefined {
  const rank = Math.ceil(share * ascending.length);
  return ascending[Math.min(Math.max(rank, 1), ascending.length) - 1];
}

export interface Summary {
  count: number;
  least: number;
  mean: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  most: number;
}

/** Undefined of nothing: "no data" is no nought. */
export function summary(values: readonly number[]): Summary | undefined {
  const ascending = sorted(values);
  const at = (share: number) => percentile(ascending, share) ?? 0;
  const [least] = ascending;
  const most = ascending.at(-1);
  if (least === undefined || most === undefined) return undefined;
  const mean = ascending.reduce((sum, value) => sum + value, 0) / ascending.length;
  return {
    count: ascending.length,
    least,
    mean,
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    most,
  };
}
