import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { moment, timeTicks, timeZone, zonedMoment } from "./time.ts";

beforeEach(() => {
  vi.stubEnv("TZ", "Asia/Kolkata");
});

afterEach(() => {
  vi.unstubAllEnvs();
});

const TIME = Date.UTC(2026, 10, 26, 8, 30, 15, 7);

test("a moment is in local time, with its date unless that is today, and with its zone", () => {
  expect(moment(TIME, TIME)).toBe("14:00:15.007");
  expect(moment(TIME, TIME + 86_400_000)).toBe("2026-11-26 14:00:15.007");
  expect(zonedMoment(TIME, TIME)).toBe("14:00:15.007 UTC+5:30");
});

test("a time zone is an offset from UTC", () => {
  for (const [name, offset] of [
    ["UTC", "UTC"],
    ["Europe/Berlin", "UTC+1"],
    ["America/St_Johns", "UTC−3:30"],
  ]) {
    vi.stubEnv("TZ", name);
    expect(timeZone(TIME), name).toBe(offset);
  }
});

test("ticks are round in local time, and no more than asked for", () => {
  const labels = (from: number, to: number) => timeTicks(from, to, 5).map(({ label }) => label);
  expect(labels(TIME, TIME + 42_000)).toEqual(["14:00:20", "14:00:30", "14:00:40", "14:00:50"]);
  expect(labels(TIME, TIME + 3_600_000)).toEqual(["14:15", "14:30", "14:45", "15:00"]);
  expect(labels(TIME, TIME + 40)).toEqual(["14:00:15.010", "14:00:15.020", "14:00:15.030", "14:00:15.040"]);
  expect(timeTicks(TIME, TIME + 86_400_000 * 30, 5).length).toBeLessThanOrEqual(5);
});
