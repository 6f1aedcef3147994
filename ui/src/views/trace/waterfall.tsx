import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { criticalPath } from "../../model/critical-path.ts";
import { serviceColors } from "../../model/service-color.ts";
import type { SpanNode, Trace } from "../../model/trace-tree.ts";
import {
  containsText,
  nextWhere,
  readRange,
  type TimeRange,
  visibleRows,
  visibleSlice,
  zoomed,
} from "../../model/waterfall.ts";
import { isError } from "../../model/zipkin.ts";
import { topology } from "../../state/mesh.ts";
import { refine, route } from "../../state/route.ts";
import { useWidth } from "../shell/use-width.ts";
import { Detail } from "./detail.tsx";
import { type Command, commandOf } from "./keys.ts";
import { ROW_HEIGHT, Row, rowId } from "./row.tsx";
import { Ruler } from "./ruler.tsx";
import { Tools } from "./tools.tsx";

/** Rows drawn above and below the visible ones. */
const OVERSCAN = 12;

export function Waterfall({ trace }: { trace: Trace }) {
  const query = route.value?.query ?? {};
  const collapsed = useMemo(
    () => new Set((query.collapsed ?? "").split(",").filter((key) => key !== "")),
    [query.collapsed],
  );
  const rows = useMemo(() => visibleRows(trace, collapsed), [trace, collapsed]);
  const critical = useMemo(() => criticalOf(trace), [trace]);
  const range = readRange(trace, query.from, query.to);
  const selected = rows.findIndex((node) => node.key === query.span);
  const chosen = rows[selected];
  const matches = useMatches(trace, query.find ?? "");
  const declared = topology.value.data?.services;
  const colors = useMemo(
    () => serviceColors(declared?.map(({ name }) => name) ?? [], trace.services),
    [declared, trace],
  );
  const list = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const top = useSignal(0);
  const { width, measure: measureRuler } = useWidth(600);

  const zoom = ({ from, to }: TimeRange) => {
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
  /** Selects the next span that matches, and expands its ancestors. */
  const jump = (nodes: readonly SpanNode[], isWanted: (node: SpanNode) => boolean) => {
    const found = nextWhere(nodes, chosen ? nodes.indexOf(chosen) : -1, isWanted);
    if (!found) return;
    const next = new Set(collapsed);
    for (let above = found.parent; above; above = above.parent) next.delete(above.key);
    refine({ span: found.key, collapsed: [...next].join(",") });
  };
  const run = (command: Command) => {
    const last = rows.length - 1;
    const at = Math.max(selected, 0);
    switch (command) {
      case "next":
        return select(rows[selected < 0 ? 0 : Math.min(at + 1, last)]);
      case "previous":
        return select(rows[Math.max(at - 1, 0)]);
      case "first":
        return select(rows[0]);
      case "last":
        return select(rows[last]);
      case "expand":
        if (chosen && collapsed.has(chosen.key)) return collapse(chosen, "open");
        return chosen?.children[0] && select(chosen.children[0]);
      case "collapse":
        if (chosen && chosen.children.length > 0 && !collapsed.has(chosen.key))
          return collapse(chosen, "collapsed");
        return chosen?.parent && select(chosen.parent);
      case "error":
        return jump(trace.nodes, (node) => isError(node.span));
      case "next-match":
        return jump(trace.nodes, (node) => matches.has(node));
      case "previous-match":
        return jump([...trace.nodes].reverse(), (node) => matches.has(node));
      case "find":
        return search.current?.focus();
      case "zoom-in":
        return zoom(zoomed(trace, range, 0.5, chosen));
      case "zoom-out":
        return zoom(zoomed(trace, range, 2, chosen));
      case "zoom-reset":
        return zoom({ from: 0, to: trace.duration });
      case "close":
        list.current?.focus();
        return select(undefined);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const command = commandOf(event);
    if (!command || event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    run(command);
  };

  useEffect(() => {
    if (selected >= 0) reveal(list.current, selected);
  }, [selected]);
  // The keys work as soon as the trace is shown, unless the user is already somewhere else.
  useEffect(() => {
    const active = document.activeElement;
    if (active === document.body || active?.id === "main") list.current?.focus({ preventScroll: true });
  }, []);

  // The list is lower than the window, and grows while spans arrive.
  const { first, last } = visibleSlice(rows.length, ROW_HEIGHT, top.value, window.innerHeight, OVERSCAN);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys of the tree work in all of the waterfall
    <div class={`waterfall${chosen ? " with-panel" : ""}`} onKeyDown={onKeyDown}>
      <Tools
        run={run}
        errors={trace.errors}
        search={search}
        text={query.find ?? ""}
        matches={[...matches]}
        chosen={chosen}
        onLeave={() => list.current?.focus()}
      />
      <div class="chart">
        <div
          class="rows"
          role="tree"
          tabIndex={0}
          aria-label="Spans"
          aria-activedescendant={chosen ? rowId(chosen.key) : undefined}
          ref={list}
          onScroll={(event) => {
            top.value = event.currentTarget.scrollTop;
          }}
        >
          <div class="ruler-row" role="presentation">
            <span class="name quiet">service · operation</span>
            <Ruler range={range} width={width} measure={measureRuler} onZoom={zoom} />
          </div>
          <div class="body" role="presentation" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
            {rows.slice(first, last).map((node, offset) => (
              <Row
                key={node.key}
                node={node}
                index={first + offset}
                count={rows.length}
                range={range}
                width={width}
                color={colors.get(node.span.service)}
                critical={critical.get(node.key) ?? []}
                isSelected={node === chosen}
                isCollapsed={collapsed.has(node.key)}
                isMatch={matches.has(node)}
                onSelect={() => select(node === chosen ? undefined : node)}
                onToggle={() => collapse(node, collapsed.has(node.key) ? "open" : "collapsed")}
              />
            ))}
          </div>
        </div>
        {chosen && (
          <Detail node={chosen} color={colors.get(chosen.span.service)} onClose={() => run("close")} />
        )}
      </div>
    </div>
  );
}

/** The spans that contain the search text, in the order of the trace. */
function useMatches(trace: Trace, text: string): ReadonlySet<SpanNode> {
  return useMemo(
    () => new Set(text.trim() === "" ? [] : trace.nodes.filter((node) => containsText(node, text))),
    [trace, text],
  );
}

function criticalOf(trace: Trace) {
  const root = trace.roots.find((node) => !node.span.parentId) ?? trace.roots[0];
  return root ? criticalPath(root) : new Map();
}

/** Scrolls as little as possible to show a row. */
function reveal(list: HTMLElement | null, index: number): void {
  if (!list) return;
  // The ruler stays visible above the rows.
  const ruler = ROW_HEIGHT;
  const top = index * ROW_HEIGHT;
  const room = list.clientHeight - ruler - ROW_HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top > list.scrollTop + room) list.scrollTop = top - room;
}
