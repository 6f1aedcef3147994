import type { Signal } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Point } from "../../model/layout.ts";
import { anchoredScroll, limited, type Size, STEP, scaleOf, type Zoom } from "../../model/zoom.ts";

/** A shorter drag, in pixels, is a click. */
const CLICK_SLOP = 4;

/** The frame's height as a share of the window's; the same as in the style sheet. */
const MAX_HEIGHT = 0.78;

interface Props {
  graph: Size;
  zoom: Zoom;
  /** Set to the scale that `zoom` results in. */
  scale: Signal<number>;
  onZoom: (zoom: number) => void;
  /** The selection's centre in the graph's units. */
  selection: Point | undefined;
  children: (scale: number) => preact.ComponentChildren;
}

/** The frame of the graph: dragging scrolls it, the wheel zooms at the pointer, and + and − at the selection. */
export function Canvas({ graph, zoom, scale: current, onZoom, selection, children }: Props) {
  const frame = useRef<HTMLElement>(null);
  const [size, setSize] = useState<Size>({ width: 1_200, height: 600 });
  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const measure = () =>
      setSize({ width: element.clientWidth || 1_200, height: window.innerHeight * MAX_HEIGHT });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const scale = scaleOf(zoom, graph, size);
  const shown = useRef(scale);
  const pointer = useRef<Point | undefined>(undefined);
  useLayoutEffect(() => {
    const element = frame.current;
    const before = shown.current;
    if (element && before !== scale) {
      const { scrollLeft, scrollTop, clientWidth, clientHeight } = element;
      const middle = {
        x: (scrollLeft + clientWidth / 2) / before,
        y: (scrollTop + clientHeight / 2) / before,
      };
      const { x, y } = pointer.current ?? selection ?? middle;
      element.scrollLeft = anchoredScroll(x, scrollLeft, clientWidth, before, scale);
      element.scrollTop = anchoredScroll(y, scrollTop, clientHeight, before, scale);
    }
    pointer.current = undefined;
    shown.current = scale;
    current.value = scale;
  }, [scale]);

  const drag = useRef<{ x: number; y: number; left: number; top: number; moved: boolean } | undefined>(
    undefined,
  );
  return (
    <section
      class="canvas"
      ref={frame}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
      tabIndex={0}
      aria-label="Graph; also shown as a table"
      onWheel={(event) => {
        event.preventDefault();
        const { scrollLeft, scrollTop } = event.currentTarget;
        const box = event.currentTarget.getBoundingClientRect();
        pointer.current = {
          x: (scrollLeft + event.clientX - box.left) / scale,
          y: (scrollTop + event.clientY - box.top) / scale,
        };
        onZoom(limited(scale * Math.exp(-event.deltaY / 500)));
      }}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        if (event.key === "+" || event.key === "=") onZoom(limited(scale * STEP));
        else if (event.key === "-") onZoom(limited(scale / STEP));
      }}
      onPointerDown={(event) => {
        // Touch screens scroll the frame by themselves.
        if (event.button !== 0 || event.pointerType !== "mouse") return;
        const { scrollLeft: left, scrollTop: top } = event.currentTarget;
        drag.current = { x: event.clientX, y: event.clientY, left, top, moved: false };
      }}
      onPointerMove={(event) => {
        const from = drag.current;
        if (!from) return;
        const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
        if (!from.moved && Math.hypot(dx, dy) < CLICK_SLOP) return;
        if (!from.moved) event.currentTarget.setPointerCapture(event.pointerId);
        from.moved = true;
        event.currentTarget.scrollLeft = from.left - dx;
        event.currentTarget.scrollTop = from.top - dy;
      }}
      onPointerUp={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) {
          event.currentTarget.releasePointerCapture(event.pointerId);
        }
      }}
      onPointerCancel={() => {
        drag.current = undefined;
      }}
      onClickCapture={(event) => {
        // The click at the end of a drag selects nothing.
        if (drag.current?.moved) event.stopPropagation();
        drag.current = undefined;
      }}
    >
      {children(scale)}
    </section>
  );
}
