import type { Section } from "../../model/critical-path.ts";
import { duration, inMilliseconds } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import { operationOf, type SpanNode } from "../../model/trace-tree.ts";
import { fitLabel, type Position, positionOf, type TimeRange } from "../../model/waterfall.ts";
import { isCancelled, isError, statusCode } from "../../model/zipkin.ts";

/** A row's height in pixels; the virtual list depends on it. */
export const ROW_HEIGHT = 30;

/** Deeper names are not indented further. */
const MAX_INDENT = 24;

interface Props {
  node: SpanNode;
  index: number;
  count: number;
  range: TimeRange;
  /** Pixels of the time axis. */
  width: number;
  color: string | undefined;
  isMatch: boolean;
  critical: readonly Section[];
  isSelected: boolean;
  isCollapsed: boolean;
  onSelect: () => void;
  onToggle: () => void;
}

/** One span: its indented name and its bar. */
export function Row(props: Props) {
  const { node, index, count, isSelected, isCollapsed, isMatch, color, onSelect, onToggle } = props;
  const { span } = node;
  const failed = isError(span);
  const cancelled = isCancelled(span);
  const hasChildren = node.children.length > 0;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles keys, with aria-activedescendant
    // biome-ignore lint/a11y/useFocusableInteractive: a tree with aria-activedescendant has the focus itself
    <div
      role="treeitem"
      id={rowId(node.key)}
      class={`row${isSelected ? " selected" : ""}${failed ? " failed" : ""}${cancelled ? " cancelled" : ""}${isMatch ? " match" : ""}`}
      style={{ top: `${index * ROW_HEIGHT}px`, "--service": color }}
      aria-level={node.depth + 1}
      aria-posinset={index + 1}
      aria-setsize={count}
      aria-selected={isSelected}
      aria-expanded={hasChildren ? !isCollapsed : undefined}
      onClick={onSelect}
    >
      <div class="name" style={{ "--depth": Math.min(node.depth, MAX_INDENT) }}>
        <span
          class="toggle"
          aria-hidden="true"
          onClick={(event) => {
            if (!hasChildren) return;
            event.stopPropagation();
            onToggle();
          }}
        >
          {hasChildren ? (isCollapsed ? "▸" : "▾") : ""}
        </span>
        <span class="label">
          {failed && (
            <span class="trouble" role="img" aria-label="failed:">
              ✕{" "}
            </span>
          )}
          {cancelled && (
            <span class="left" role="img" aria-label="cancelled:">
              ⊘{" "}
            </span>
          )}
          {anomalyOf(node) && (
            <span class="anomaly" role="img" aria-label={anomalyOf(node)}>
              ⚠{" "}
            </span>
          )}
          {isCollapsed && node.failedBelow && !failed && <span class="trouble">✕ inside </span>}
          <span class="swatch" aria-hidden="true" />
          <bdi class="service">{span.service || "?"}</bdi> <bdi class="quiet">{operationOf(span)}</bdi>
        </span>
      </div>
      <Bars {...props} />
    </div>
  );
}

export function rowId(key: string): string {
  return `span-${key.replace(/[^a-z0-9]/gi, "-")}`;
}

function Bars({ node, range, critical, width }: Props) {
  const { span, queueWait } = node;
  const place = positionOf(node.start, node.end, range);
  const wait = queueWait && positionOf(queueWait.from, queueWait.to, range);
  return (
    <div class="bars">
      {wait && <span class="wait" style={styleOf(wait)} />}
      {place && <span class={`bar ${(span.kind ?? "local").toLowerCase()}`} style={styleOf(place)} />}
      {critical.map(({ from, to }) => {
        const part = positionOf(from, to, range);
        return part && <span key={from} class="critical" style={styleOf(part)} />;
      })}
      {place && <Label node={node} wait={wait} bar={place} width={width} />}
    </div>
  );
}

/** Pixels beyond the end of the time axis that are always free; the style sheet keeps at least these. */
const GUTTER = 56;

/** An estimate in pixels: of 7 for a character, and the margins. */
function widthOf(text: string): number {
  return text.length * 7 + 10;
}

interface LabelProps {
  node: SpanNode;
  wait: Position | undefined;
  bar: Position;
  width: number;
}

function Label({ node, wait, bar, width }: LabelProps) {
  const start = wait?.left ?? bar.left;
  const end = bar.left + bar.width;
  // On the wait in the queue, where that is wider: the bar shows the work.
  const inside = wait && wait.width > bar.width ? wait : bar;
  const space = {
    before: (start / 100) * width,
    after: ((100 - end) / 100) * width + GUTTER,
    inside: (inside.width / 100) * width,
  };
  const { text, side } = fitLabel(labelTexts(node), space, widthOf);
  const right = side === "before" ? start : inside.left + inside.width;
  const style = side === "after" ? { left: `${end}%` } : { right: `${100 - right}%` };
  return (
    <span class={`length ${side}`} style={style}>
      {text}
    </span>
  );
}

/** Duration, wait in the queue and the code of an error; and the duration alone, where there is no room. */
function labelTexts({ span, queueWait }: SpanNode): string[] {
  const code = isError(span) || isCancelled(span) ? statusCode(span) : undefined;
  const length = duration(inMilliseconds(span.duration));
  const wait = queueWait ? ` · queue wait ${duration((queueWait.to - queueWait.from) / 1000)}` : "";
  return [`${length}${wait}${code ? ` · ${codeName(code)}` : ""}`, length];
}

function styleOf({ left, width }: Position) {
  return { left: `${left}%`, width: `${width}%` };
}

/** A warning about a span; empty without one. */
function anomalyOf({ parentMissing, skew }: SpanNode): string {
  if (parentMissing) return "parent span missing:";
  return skew > 0 ? "starts before its parent:" : "";
}
