/** Percentiles by the nearest-rank method: each one is a measured value. */

export function sorted(values: readonly number[]): number[] {
  return [...values].sort((one, other) => one - other);
}

/** `share` 0.99 is the 99th percentile; undefined without values. `ascending` must be sorted. */
export function percentile(ascending: readonly number[], share: number): number | undefined {
  const rank = Math.ceil(share * ascending.length);
  return ascending[Math.min(Math.max(rank, 1), ascending.length) - 1];
}

export interface Summary {
  count: number;
  min: number;
  mean: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  max: number;
}

/** Undefined without values: no data is not zero. */
export function summary(values: readonly number[]): Summary | undefined {
  const ascending = sorted(values);
  const at = (share: number) => percentile(ascending, share) ?? 0;
  const [min] = ascending;
  const max = ascending.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const mean = ascending.reduce((sum, value) => sum + value, 0) / ascending.length;
  return {
    count: ascending.length,
    min,
    mean,
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    max,
  };
}
