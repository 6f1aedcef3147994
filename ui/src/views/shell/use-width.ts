import { useLayoutEffect, useState } from "preact/hooks";

/** An element's current width in pixels, so that text in an SVG has the page's font size. */
export function useWidth(initial: number): { width: number; measure: (element: Element | null) => void } {
  const [element, measure] = useState<Element | null>(null);
  const [width, setWidth] = useState(initial);
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
