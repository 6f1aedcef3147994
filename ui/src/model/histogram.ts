/** How times are spread, on a logarithmic scale. */

export interface Bin {
  from: number;
  to: number;
  count: number;
}

/** Bins a decade; their borders are the same whatever is counted, so that two runs can be compared. */
const PER_DECADE = 10;

/** Every bin from the first that holds something to the last. Times are more than nought. */
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
    return { from: border(index), to: border(index + 1), count: counts.get(index) ?? 0 };
  });
}

function border(index: number): number {
  return 10 ** (index / PER_DECADE);
}

/** Round figures for an axis from nought to `most`: about `about` of them. */
export function ticks(most: number, about: number): number[] {
  return ticksBetween(0, most, about);
}

/** The round figures from `from` to `to`: about `about` of them. */
export function ticksBetween(from: number, to: number, about: number): number[] {
  if (!(to > from)) return [from];
  const rough = (to - from) / about;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 5, 10].map((factor) => factor * magnitude).find((candidate) => candidate >= rough) ?? rough;
  // Three fifths of one are 0.6000000000000001 in binary, and would stand on the axis so.
  const exact = (value: number) => Number(value.toPrecision(12));
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, index) =>
    exact((first + index) * step),
  );
}
