/** Timings of requests from the browser's Resource Timing API, which `fetch` does not expose. */

import { log } from "./log.ts";

export interface RequestTiming {
  /** Milliseconds from `fetch` until the request was sent: mostly the wait for one of the browser's few connections. */
  waited: number;
  /**
   * Milliseconds from sending the request to the first byte of the response. The rest of a response of one kilobyte is
   * the browser's own processing, which under load takes longer than the network.
   */
  took: number;
}

/**
 * Calls `onTiming` for each request whose URL starts with `prefix`, with undefined when the browser hides the timing.
 * Returns a function that stops it.
 */
export function observeTimings(
  prefix: string,
  onTiming: (url: string, timing: RequestTiming | undefined) => void,
): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!(entry instanceof PerformanceResourceTiming) || !entry.name.startsWith(prefix)) continue;
      const { startTime, requestStart, responseStart } = entry;
      // Zero for another origin that does not send Timing-Allow-Origin.
      const isHidden = requestStart === 0;
      onTiming(
        entry.name,
        isHidden ? undefined : { waited: requestStart - startTime, took: responseStart - requestStart },
      );
    }
  });
  try {
    observer.observe({ type: "resource" });
  } catch (error) {
    log.warn("no resource timings", error);
  }
  return () => observer.disconnect();
}
