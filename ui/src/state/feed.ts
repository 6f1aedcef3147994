/** A resource that is fetched repeatedly: the last data stays, with its age, while newer data is missing. */

import { type Signal, signal } from "@preact/signals";
import type { Failure } from "../client/failure.ts";
import { fetchJson, type JsonRequest, toFailure } from "../client/fetch-json.ts";

export interface Feed<T> {
  data: T | undefined;
  /** When `data` arrived, in milliseconds since 1970. */
  at: number | undefined;
  /** Why the last request failed. */
  failure: Failure | undefined;
  isLoading: boolean;
}

export type FeedSignal<T> = Signal<Feed<T>>;

const EMPTY = { data: undefined, at: undefined, failure: undefined, isLoading: false };

export function newFeed<T>(): FeedSignal<T> {
  return signal<Feed<T>>(EMPTY);
}

/** Drops the data, when it belongs to another request. */
export function reset<T>(feed: FeedSignal<T>): void {
  feed.value = EMPTY;
}

/** Fetches once. An aborted request changes nothing. */
export async function fetchInto<T>(
  feed: FeedSignal<T>,
  request: JsonRequest<T> & { signal: AbortSignal },
): Promise<void> {
  feed.value = { ...feed.peek(), isLoading: true };
  try {
    const { body } = await fetchJson(request);
    if (!request.signal.aborted) {
      feed.value = { data: body, at: Date.now(), failure: undefined, isLoading: false };
    }
  } catch (error) {
    if (request.signal.aborted) return;
    feed.value = {
      ...feed.peek(),
      failure: toFailure(error, request.base + request.path),
      isLoading: false,
    };
  }
}
