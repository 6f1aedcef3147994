import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** What is being typed: it follows `value`, and whatever else draws the field anew leaves it alone. */
export function useDraft(value: string): Signal<string> {
  const draft = useSignal(value);
  useEffect(() => {
    draft.value = value;
  }, [value, draft]);
  return draft;
}
