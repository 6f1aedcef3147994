import { useSignal } from "@preact/signals";
import { durationsOnAxis } from "../../model/format.ts";
import { ticksBetween } from "../../model/histogram.ts";
import { placeOf, type Window } from "../../model/waterfall.ts";
import { useWidth } from "../shell/use-width.ts";

/** Pixels below which a drag was a click. */
const SLIP = 4;

/** Pixels that a mark's text takes, with room beside it. */
const MARK = 90;

/** The scale above the bars. Dragging over it shows the dragged part alone. */
export function Ruler({ window, onZoom }: { window: Window; onZoom: (window: Window) => void }) {
  const drag = useSignal<{ from: number; to: number } | undefined>(undefined);
  const span = window.to - window.from;
  const { width, measure } = useWidth(600);
  const marks = ticksBetween(window.from, window.to, Math.min(Math.max(width / MARK, 1), 6));
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
        if ((to - from) * width < SLIP) return;
        onZoom({ from: Math.round(window.from + from * span), to: Math.round(window.from + to * span) });
      }}
      onPointerCancel={() => {
        drag.value = undefined;
      }}
    >
      {marks.map((mark, index) => {
        const place = placeOf(mark, mark, window);
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
