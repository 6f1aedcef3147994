/** Numbers for display: at most three digits, always with a unit. */

/** Milliseconds as `84 µs`, `5.9 ms`, `123 ms`, `1.2 s`; an unknown value is a dash, never zero. */
export function duration(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return "–";
  const size = Math.abs(milliseconds);
  if (size === 0) return "0 ms";
  if (size < 0.9995) return `${Math.round(milliseconds * 1000)} µs`;
  if (size < 999.5) return `${digits(milliseconds)} ms`;
  if (size < 59_995) return `${digits(milliseconds / 1000)} s`;
  return `${digits(milliseconds / 60_000)} min`;
}

/** Zipkin's microseconds as milliseconds. */
export function inMilliseconds(microseconds: number | undefined): number | undefined {
  return microseconds === undefined ? undefined : microseconds / 1000;
}

/** Tick labels of an axis, from milliseconds: one unit, and as many decimals as the ticks need. */
export function durationsOnAxis(marks: readonly number[]): string[] {
  const max = Math.max(...marks.map(Math.abs), 0);
  const [unit, inUnit] = max < 1 ? ["µs", 1_000] : max < 1_000 ? ["ms", 1] : ["s", 0.001];
  const values = marks.map((mark) => mark * inUnit);
  const isExact = (decimals: number) =>
    values.every((value) => Math.abs(Number(value.toFixed(decimals)) - value) < 1e-6);
  const decimals = [0, 1, 2, 3, 4, 5].find(isExact) ?? 6;
  return values.map((value) => `${value.toFixed(decimals)} ${unit}`);
}

function digits(value: number): string {
  return Math.abs(value) < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

/** Two durations that share a unit when they can: `5.9 · 12 ms`. */
export function durations(one: number | undefined, other: number | undefined): string {
  const [first, second] = [duration(one), duration(other)];
  const [value, unit] = first.split(" ");
  return unit !== undefined && second.endsWith(` ${unit}`) ? `${value} · ${second}` : `${first} · ${second}`;
}

/** Calls per second, or per minute when there are few. */
export function rate(count: number, seconds: number): string {
  const perSecond = count / seconds;
  if (perSecond >= 9.95) return `${Math.round(perSecond)}/s`;
  if (perSecond >= 0.995) return `${perSecond.toFixed(1)}/s`;
  const perMinute = perSecond * 60;
  if (perMinute >= 0.95 || perMinute === 0) return `${Math.round(perMinute)}/min`;
  return `${perMinute.toFixed(2)}/min`;
}

/** A percentage that is 0 % only for zero and 100 % only for all. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return "–";
  const share = (part / whole) * 100;
  if (share > 0 && share < 0.1) return "<0.1 %";
  if (share < 100 && share > 99.9) return ">99.9 %";
  return share === 0 || share >= 9.95 ? `${Math.round(share)} %` : `${share.toFixed(1)} %`;
}

export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}

/** How long ago, in whole seconds, minutes or hours. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 2) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}
