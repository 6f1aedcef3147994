import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";

interface Props<T> {
  file: () => Promise<ComponentType<T>>;
  props: T;
}

/** A part of the page whose file is loaded when it is first shown. */
export function Lazy<T extends object>({ file, props }: Props<T>) {
  const loaded = useSignal<ComponentType<T> | undefined>(undefined);
  const isMissing = useSignal(false);
  useEffect(() => {
    file().then(
      (part) => {
        loaded.value = part;
      },
      () => {
        isMissing.value = true;
      },
    );
  }, [file, loaded, isMissing]);
  const Part = loaded.value;
  if (isMissing.value)
    return <p class="trouble">✕ This part of the page cannot be loaded. Reload the page.</p>;
  return Part ? <Part {...props} /> : null;
}
