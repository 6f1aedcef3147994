import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  label: string;
  children: preact.ComponentChildren;
}

/** A region that scrolls sideways, and says so when some of it is hidden. */
export function ScrollRegion({ label, children }: Props) {
  const region = useRef<HTMLElement>(null);
  const [isWider, setWider] = useState(false);
  useLayoutEffect(() => {
    const element = region.current;
    if (!element) return undefined;
    const measure = () => setWider(element.scrollWidth > element.clientWidth + 1);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    if (element.firstElementChild) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, []);
  return (
    <div class="scroll-region">
      {isWider && <p class="note quiet">Scroll sideways for more columns →</p>}
      <section
        class="scroll"
        ref={region}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
        tabIndex={0}
        aria-label={label}
      >
        {children}
      </section>
    </div>
  );
}
