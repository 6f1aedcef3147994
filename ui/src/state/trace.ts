/** One trace: from a file that was opened, or else from the backend, asked again while its spans arrive. */

import { effect } from "@preact/signals";
import { sentTraceId } from "../model/ids.ts";
import { parseSpans, type Span } from "../model/zipkin.ts";
import { api } from "./api.ts";
import { type FeedSignal, fill, newFeed } from "./feed.ts";
import { opened } from "./traces.ts";

/** Milliseconds after which it is asked for again: spans arrive in batches, and those behind a queue last. */
const ASK_AGAIN = [500, 1_000, 2_000, 4_000];

export function traceFeed(id: string): { feed: FeedSignal<Span[]>; start: () => () => void } {
  const feed = newFeed<Span[]>();
  const start = () =>
    effect(() => {
      const file = opened.value.get(id);
      const base = api.value;
      if (file) {
        feed.value = { data: file, at: Date.now(), failure: undefined, isAsking: false };
        return undefined;
      }
      const aborted = new AbortController();
      void follow(feed, base, id, aborted.signal);
      return () => aborted.abort();
    });
  return { feed, start };
}

async function follow(
  feed: FeedSignal<Span[]>,
  base: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const path = `/zipkin/api/v2/trace/${sentTraceId(id)}`;
  for (const pause of [0, ...ASK_AGAIN]) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (signal.aborted) return;
    const before = feed.peek().data;
    await fill(feed, { base, path, parse: parseSpans, signal });
    const after = feed.peek().data;
    // Nothing new: keep what was drawn, so that nothing is drawn again.
    if (before && after && before.length === after.length) feed.value = { ...feed.peek(), data: before };
    if (isOld(after)) return;
  }
}

/** Whether its last span ended long enough ago for all of them to have come. */
function isOld(spans: Span[] | undefined): boolean {
  if (!spans) return false;
  const end = spans.reduce((last, span) => Math.max(last, (span.timestamp ?? 0) + (span.duration ?? 0)), 0);
  return end > 0 && Date.now() - end / 1000 > 15_000;
}
