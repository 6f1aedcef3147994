import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** The text in a field while it is being edited: follows `value`, and survives other re-renders. */
export function useDraft(value: string): Signal<string> {
  const draft = useSignal(value);
  useEffect(() => {
    draft.value = value;
  }, [value, draft]);
  return draft;
}
