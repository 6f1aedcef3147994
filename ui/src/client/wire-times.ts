/** When a request was really sent, and its answer began: what `fetch` does not say, the browser's timings do. */

import { log } from "./log.ts";

export interface WireTime {
  /** Milliseconds from asking to sending: mostly the wait for one of the browser's few connections. */
  waited: number;
  /**
   * Milliseconds from sending to the answer's first byte: what the mesh took. The rest of an answer's one kilobyte is
   * the browser's own handing over, which under load takes longer than anything on the wire.
   */
  took: number;
}

/** Tells `tell` the times of each URL that begins with `prefix`. Answers how to stop. */
export function watchWire(prefix: string, tell: (url: string, time: WireTime) => void): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!(entry instanceof PerformanceResourceTiming) || !entry.name.startsWith(prefix)) continue;
      // Another origin's are kept from the page unless it says Timing-Allow-Origin.
      if (entry.requestStart === 0) continue;
      tell(entry.name, {
        waited: entry.requestStart - entry.startTime,
        took: entry.responseStart - entry.requestStart,
      });
    }
  });
  try {
    observer.observe({ type: "resource" });
  } catch (error) {
    log.warn("no resource timings", error);
  }
  return () => observer.disconnect();
}
