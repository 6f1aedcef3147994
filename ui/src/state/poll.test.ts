import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { poll } from "./poll.ts";

let isHidden = false;
let onVisible: () => void = () => {};

beforeEach(() => {
  vi.useFakeTimers();
  isHidden = false;
  vi.stubGlobal("document", {
    get hidden() {
      return isHidden;
    },
    addEventListener: (_: string, listener: () => void) => {
      onVisible = listener;
    },
    removeEventListener: () => {},
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("turns follow each other once, however often the page becomes visible while one is in flight", async () => {
  let turns = 0;
  const work = async () => {
    turns += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
  };
  const polling = poll(work, () => 900);
  for (let time = 0; time < 5; time += 1) onVisible();
  await vi.advanceTimersByTimeAsync(150);
  expect(turns, "one that was asked for meanwhile comes at once").toBe(2);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(turns, "one a second").toBe(12);
  polling.stop();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(turns).toBe(12);
});

test("a hidden page does not work, and begins when it becomes visible", async () => {
  let turns = 0;
  isHidden = true;
  const polling = poll(
    async () => {
      turns += 1;
    },
    () => 1_000,
  );
  await vi.advanceTimersByTimeAsync(5_000);
  expect(turns).toBe(0);
  isHidden = false;
  onVisible();
  await vi.advanceTimersByTimeAsync(0);
  expect(turns).toBe(1);
  polling.stop();
});
