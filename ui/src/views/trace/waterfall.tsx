import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { criticalPath } from "../../model/critical-path.ts";
import type { SpanNode, Trace } from "../../model/trace-tree.ts";
import { nextWhere, readWindow, slice, visibleRows, type Window, zoomed } from "../../model/waterfall.ts";
import { isError } from "../../model/zipkin.ts";
import { refine, route } from "../../state/route.ts";
import { Detail } from "./detail.tsx";
import { keyOf, type Move } from "./keys.ts";
import { ROW_HEIGHT, Row, rowId } from "./row.tsx";
import { Ruler } from "./ruler.tsx";

/** Rows that are drawn beyond either end of what is in sight. */
const BEYOND = 12;

export function Waterfall({ trace }: { trace: Trace }) {
  const query = route.value?.query ?? {};
  const collapsed = useMemo(
    () => new Set((query.collapsed ?? "").split(",").filter((key) => key !== "")),
    [query.collapsed],
  );
  const rows = useMemo(() => visibleRows(trace, collapsed), [trace, collapsed]);
  const critical = useMemo(() => criticalOf(trace), [trace]);
  const window = readWindow(trace, query.from, query.to);
  const selected = rows.findIndex((node) => node.key === query.span);
  const chosen = rows[selected];
  const list = useRef<HTMLDivElement>(null);
  const view = useSignal({ top: 0, height: 600 });

  const zoom = ({ from, to }: Window) => {
    const isWhole = from <= 0 && to >= trace.duration;
    refine(isWhole ? { from: undefined, to: undefined } : { from: String(from), to: String(to) });
  };
  const select = (node: SpanNode | undefined) => refine({ span: node?.key });
  const collapse = (node: SpanNode, to: "collapsed" | "open") => {
    if (node.children.length === 0) return;
    const next = new Set(collapsed);
    if (to === "collapsed") next.add(node.key);
    else next.delete(node.key);
    refine({ collapsed: [...next].join(",") });
  };
  const jump = () => {
    const failed = nextWhere(trace.nodes, chosen ? trace.nodes.indexOf(chosen) : -1, (node) =>
      isError(node.span),
    );
    if (!failed) return;
    const next = new Set(collapsed);
    for (let above = failed.parent; above; above = above.parent) next.delete(above.key);
    refine({ span: failed.key, collapsed: [...next].join(",") });
  };
  const move = (to: Move) => {
    const last = rows.length - 1;
    const at = Math.max(selected, 0);
    switch (to) {
      case "next":
        return select(rows[selected < 0 ? 0 : Math.min(at + 1, last)]);
      case "previous":
        return select(rows[Math.max(at - 1, 0)]);
      case "first":
        return select(rows[0]);
      case "last":
        return select(rows[last]);
      case "in":
        if (chosen && collapsed.has(chosen.key)) return collapse(chosen, "open");
        return chosen?.children[0] && select(chosen.children[0]);
      case "out":
        if (chosen && chosen.children.length > 0 && !collapsed.has(chosen.key))
          return collapse(chosen, "collapsed");
        return chosen?.parent && select(chosen.parent);
      case "error":
        return jump();
      case "larger":
        return zoom(zoomed(trace, window, 0.5));
      case "smaller":
        return zoom(zoomed(trace, window, 2));
      case "whole":
        return zoom({ from: 0, to: trace.duration });
      case "close":
        return select(undefined);
    }
  };

  useEffect(() => {
    if (selected >= 0) reveal(list.current, selected);
  }, [selected]);

  const { first, last } = slice(rows.length, ROW_HEIGHT, view.value.top, view.value.height, BEYOND);
  const measure = (element: HTMLElement) => {
    view.value = { top: element.scrollTop, height: element.clientHeight };
  };
  return (
    <div class={`waterfall${chosen ? " with-panel" : ""}`}>
      <div class="tools">
        <button type="button" onClick={() => move("larger")}>
          Zoom in
        </button>
        <button type="button" onClick={() => move("smaller")}>
          Zoom out
        </button>
        <button type="button" onClick={() => move("whole")}>
          Whole trace
        </button>
        {trace.errors > 0 && (
          <button type="button" onClick={jump}>
            Next error (e)
          </button>
        )}
        <span class="quiet hint">
          arrows or j, k: move · ← →: fold · + − 0: zoom · underlined: the critical path
        </span>
      </div>
      <div class="chart">
        <div
          class="rows"
          role="tree"
          tabIndex={0}
          aria-label="Spans of the trace"
          aria-activedescendant={chosen ? rowId(chosen.key) : undefined}
          ref={list}
          onScroll={(event) => measure(event.currentTarget)}
          onFocus={(event) => measure(event.currentTarget)}
          onKeyDown={(event) => {
            const key = keyOf(event);
            if (!key) return;
            event.preventDefault();
            move(key);
          }}
        >
          <div class="ruler-row" role="presentation">
            <span class="name quiet">service and operation</span>
            <Ruler window={window} onZoom={zoom} />
          </div>
          <div class="body" role="presentation" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
            {rows.slice(first, last).map((node, offset) => (
              <Row
                key={node.key}
                node={node}
                index={first + offset}
                count={rows.length}
                window={window}
                critical={critical.get(node.key) ?? []}
                isSelected={node === chosen}
                isCollapsed={collapsed.has(node.key)}
                onSelect={() => select(node === chosen ? undefined : node)}
                onToggle={() => collapse(node, collapsed.has(node.key) ? "open" : "collapsed")}
              />
            ))}
          </div>
        </div>
        {chosen && (
          <Detail
            node={chosen}
            onClose={() => {
              list.current?.focus();
              select(undefined);
            }}
          />
        )}
      </div>
    </div>
  );
}

function criticalOf(trace: Trace) {
  const root = trace.roots.find((node) => !node.span.parentId) ?? trace.roots[0];
  return root ? criticalPath(root) : new Map();
}

/** Scrolls no further than it must. */
function reveal(list: HTMLElement | null, index: number): void {
  if (!list) return;
  // The ruler stays above the rows.
  const ruler = ROW_HEIGHT;
  const top = index * ROW_HEIGHT;
  const room = list.clientHeight - ruler - ROW_HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top > list.scrollTop + room) list.scrollTop = top - room;
}
