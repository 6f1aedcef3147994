/** Histogram on a logarithmic scale, and ticks of an axis. */

export interface Bin {
  from: number;
  to: number;
  count: number;
}

/** Bins per decade. Their bounds are fixed, so that two runs can be compared. */
const PER_DECADE = 10;

/** Every bin from the first to the last that is not empty. Values must be positive. */
export function histogram(values: readonly number[]): Bin[] {
  const counts = new Map<number, number>();
  for (const value of values) {
    if (!(value > 0)) continue;
    const index = Math.floor(Math.log10(value) * PER_DECADE);
    counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  const indices = [...counts.keys()];
  if (indices.length === 0) return [];
  const first = Math.min(...indices);
  const last = Math.max(...indices);
  return Array.from({ length: last - first + 1 }, (_, offset) => {
    const index = first + offset;
    return { from: bound(index), to: bound(index + 1), count: counts.get(index) ?? 0 };
  });
}

function bound(index: number): number {
  return 10 ** (index / PER_DECADE);
}

/** Bounds of 1, 2 and 5 times a power of ten, where 1-2-5 leaves `room` bins per label; otherwise powers of ten alone. */
export function roundBounds(bins: readonly Bin[], room: number): { index: number; value: number }[] {
  const steps = room <= PER_DECADE / 4 ? [0, 3, 7] : [0];
  return [...bins.map(({ from }) => from), bins.at(-1)?.to ?? 0].flatMap((value, index) => {
    const position = Math.round(Math.log10(value) * PER_DECADE);
    const inDecade = ((position % PER_DECADE) + PER_DECADE) % PER_DECADE;
    // 10^0.3 and 10^0.7 differ from 2 and 5 by less than a pixel.
    return steps.includes(inDecade) ? [{ index, value: Number(value.toPrecision(1)) }] : [];
  });
}

/** The ends of a logarithmic axis that includes both values: powers of ten below and the greater value, at least twice that. */
export function logBounds(min: number, max: number): [number, number] {
  const low = 10 ** Math.floor(Math.log10(Math.max(min, 1e-3)) + 1e-9);
  return [low, Math.max(max, low * 2)];
}

/** Ticks of a logarithmic axis: powers of ten, and twice and five times them where those are few. */
export function logTicks(low: number, high: number): number[] {
  const steps = high / low > 500 ? [1] : [1, 2, 5];
  const decades = Array.from(
    { length: Math.floor(Math.log10(high / low)) + 1 },
    (_, index) => low * 10 ** index,
  );
  const all = decades.flatMap((decade) => steps.map((step) => Number((step * decade).toPrecision(1))));
  return all.filter((value) => value <= high);
}

/** Round ticks from zero to `max`, about `target` of them. */
export function ticks(max: number, target: number): number[] {
  return ticksBetween(0, max, target);
}

/** Round ticks from `from` to `to`, about `target` of them. */
export function ticksBetween(from: number, to: number, target: number): number[] {
  if (!(to > from)) return [from];
  const rough = (to - from) / target;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 5, 10].map((factor) => factor * magnitude).find((candidate) => candidate >= rough) ?? rough;
  // Avoids labels such as 0.6000000000000001.
  const exact = (value: number) => Number(value.toPrecision(12));
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, index) =>
    exact((first + index) * step),
  );
}
