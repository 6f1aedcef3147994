/** Work that is repeated while something is shown. */

/**
 * Repeats `work`, never twice at once, not while the page is hidden, and immediately when it becomes visible. `pause` is the
 * time to the next turn, in milliseconds, after one that took so long.
 */
export function poll(
  work: () => Promise<void>,
  pause: (took: number) => number,
): { stop: () => void; now: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  let isWorking = false;
  let isRequested = false;
  const turn = async () => {
    clearTimeout(timer);
    const started = performance.now();
    // What is in flight may not have the newest data.
    isRequested = isWorking;
    if (isWorking || isStopped) return;
    if (!document.hidden) {
      isWorking = true;
      await work();
      isWorking = false;
    }
    if (!isStopped) timer = setTimeout(turn, isRequested ? 0 : pause(performance.now() - started));
  };
  const onVisible = () => {
    if (!document.hidden) void turn();
  };
  document.addEventListener("visibilitychange", onVisible);
  void turn();
  return {
    now: () => void turn(),
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    },
  };
}
