import { useLayoutEffect, useState } from "preact/hooks";

/** The width in pixels that an element has now, so that a picture's letters are as large as the page's. */
export function useWidth(otherwise: number): { width: number; measure: (element: Element | null) => void } {
  const [element, measure] = useState<Element | null>(null);
  const [width, setWidth] = useState(otherwise);
  useLayoutEffect(() => {
    if (!element) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) setWidth(Math.round(entry.contentRect.width));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return { width, measure };
}
