import { useSignal } from "@preact/signals";
import { durationsOnAxis } from "../../model/format.ts";
import { ticksBetween } from "../../model/histogram.ts";
import { positionOf, type TimeRange } from "../../model/waterfall.ts";

/** A shorter drag, in pixels, is a click. */
const CLICK_SLOP = 4;

/** Width of a label in pixels, with its margin. */
const LABEL_WIDTH = 90;

interface Props {
  range: TimeRange;
  /** Pixels. */
  width: number;
  measure: (element: Element | null) => void;
  onZoom: (range: TimeRange) => void;
}

/** The time axis above the bars. Dragging over it zooms to the dragged range. */
export function Ruler({ range, width, measure, onZoom }: Props) {
  const drag = useSignal<{ from: number; to: number } | undefined>(undefined);
  const span = range.to - range.from;
  const marks = ticksBetween(range.from, range.to, Math.min(Math.max(width / LABEL_WIDTH, 2), 6));
  const texts = durationsOnAxis(marks.map((mark) => mark / 1000));
  const share = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  };
  return (
    <div
      class="ruler"
      ref={measure}
      title="Drag to zoom"
      onPointerDown={(event) => {
        (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
        drag.value = { from: share(event), to: share(event) };
      }}
      onPointerMove={(event) => {
        if (drag.value) drag.value = { from: drag.value.from, to: share(event) };
      }}
      onPointerUp={(event) => {
        const dragged = drag.value;
        drag.value = undefined;
        if (!dragged) return;
        const width = (event.currentTarget as HTMLElement).clientWidth;
        const [from, to] = [Math.min(dragged.from, dragged.to), Math.max(dragged.from, dragged.to)];
        if ((to - from) * width < CLICK_SLOP) return;
        onZoom({ from: Math.round(range.from + from * span), to: Math.round(range.from + to * span) });
      }}
      onPointerCancel={() => {
        drag.value = undefined;
      }}
    >
      {marks.map((mark, index) => {
        const place = positionOf(mark, mark, range);
        return (
          <span key={mark} class="mark" style={{ left: `${place?.left ?? 0}%` }}>
            {texts[index]}
          </span>
        );
      })}
      {drag.value && (
        <span
          class="dragged"
          style={{
            left: `${Math.min(drag.value.from, drag.value.to) * 100}%`,
            width: `${Math.abs(drag.value.to - drag.value.from) * 100}%`,
          }}
        />
      )}
    </div>
  );
}
