/** Moments in the browser's time zone, which is always shown with them. */

/** To the millisecond, with the date unless that is today: `14:03:22.123`. Times are in milliseconds since 1970. */
export function moment(time: number, now: number): string {
  const date = new Date(time);
  const clock = clockOf(date, "millisecond");
  return date.toDateString() === new Date(now).toDateString() ? clock : `${dayOf(date)} ${clock}`;
}

/** With its time zone: `14:03:22.123 UTC+2`. */
export function zonedMoment(time: number, now: number): string {
  return `${moment(time, now)} ${timeZone(time)}`;
}

/** The offset at a moment, as `UTC`, `UTC+2` or `UTC+5:30`. */
export function timeZone(time: number): string {
  const minutes = -new Date(time).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest === 0 ? "" : `:${two(rest)}`}`;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((hours) => hours * HOUR),
];

/** Round moments of local time from `from` to `to`, at most `most` of them, with their labels. */
export function timeTicks(from: number, to: number, most: number): { time: number; label: string }[] {
  const step = STEPS.find((candidate) => (to - from) / candidate <= most) ?? Math.ceil((to - from) / most);
  const offset = new Date(from).getTimezoneOffset() * MINUTE;
  const unit = step < SECOND ? "millisecond" : step < MINUTE ? "second" : "minute";
  const first = Math.ceil((from - offset) / step) * step + offset;
  const ticks: { time: number; label: string }[] = [];
  for (let time = first; time <= to; time += step) ticks.push({ time, label: clockOf(new Date(time), unit) });
  return ticks;
}

function clockOf(date: Date, unit: "minute" | "second" | "millisecond"): string {
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (unit === "minute") return minutes;
  const seconds = `${minutes}:${two(date.getSeconds())}`;
  return unit === "second" ? seconds : `${seconds}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function dayOf(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
