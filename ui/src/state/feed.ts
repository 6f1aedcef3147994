/** Something asked for, perhaps again and again: what came last stays, with its age, while newer is missing. */

import { type Signal, signal } from "@preact/signals";
import { asFailure, ask, type Question } from "../client/ask.ts";
import type { Failure } from "../client/failure.ts";

export interface Feed<T> {
  /** What came last. */
  data: T | undefined;
  /** When it came, in milliseconds since 1970. */
  at: number | undefined;
  /** Why the last question brought nothing. */
  failure: Failure | undefined;
  isAsking: boolean;
}

export type FeedSignal<T> = Signal<Feed<T>>;

const EMPTY = { data: undefined, at: undefined, failure: undefined, isAsking: false };

export function newFeed<T>(): FeedSignal<T> {
  return signal<Feed<T>>(EMPTY);
}

/** Forgets what came: it was an answer to another question. */
export function reset<T>(feed: FeedSignal<T>): void {
  feed.value = EMPTY;
}

/** Asks once. What an aborted question would have brought is left alone. */
export async function fill<T>(
  feed: FeedSignal<T>,
  question: Question<T> & { signal: AbortSignal },
): Promise<void> {
  feed.value = { ...feed.peek(), isAsking: true };
  try {
    const { body } = await ask(question);
    if (!question.signal.aborted) {
      feed.value = { data: body, at: Date.now(), failure: undefined, isAsking: false };
    }
  } catch (error) {
    if (question.signal.aborted) return;
    feed.value = {
      ...feed.peek(),
      failure: asFailure(error, question.base + question.path),
      isAsking: false,
    };
  }
}
