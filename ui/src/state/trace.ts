/** One trace: from an opened file, or else from the trace backend, fetched again while its spans arrive. */

import { effect } from "@preact/signals";
import { traceRequest } from "../client/trace-request.ts";
import type { Span } from "../model/zipkin.ts";
import { api } from "./api.ts";
import { type FeedSignal, fetchInto, newFeed } from "./feed.ts";
import { openedFiles } from "./traces.ts";

/** Milliseconds before each further fetch: spans arrive in batches, and those behind a queue arrive last. */
const REFETCH_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** Milliseconds after a trace's last span when no more are expected. */
const COMPLETE_AFTER_MS = 15_000;

export function traceFeed(id: string): { feed: FeedSignal<Span[]>; start: () => () => void } {
  const feed = newFeed<Span[]>();
  const start = () =>
    effect(() => {
      const file = openedFiles.value.get(id);
      const base = api.value;
      if (file) {
        feed.value = { data: file, at: Date.now(), failure: undefined, isLoading: false };
        return undefined;
      }
      const abort = new AbortController();
      void follow(feed, base, id, abort.signal);
      return () => abort.abort();
    });
  return { feed, start };
}

async function follow(
  feed: FeedSignal<Span[]>,
  base: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const request = { ...traceRequest(base, id), signal };
  for (const pause of [0, ...REFETCH_MS]) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (signal.aborted) return;
    const before = feed.peek().data;
    await fetchInto(feed, request);
    const after = feed.peek().data;
    // Without new spans the same object stays, so that nothing is drawn again.
    if (before && after && before.length === after.length) feed.value = { ...feed.peek(), data: before };
    if (isComplete(after)) return;
  }
}

function isComplete(spans: Span[] | undefined): boolean {
  if (!spans) return false;
  const end = spans.reduce((last, span) => Math.max(last, (span.timestamp ?? 0) + (span.duration ?? 0)), 0);
  return end > 0 && Date.now() - end / 1000 > COMPLETE_AFTER_MS;
}
