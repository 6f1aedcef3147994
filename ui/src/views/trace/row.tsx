import type { Section } from "../../model/critical-path.ts";
import { duration } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import type { SpanNode } from "../../model/trace-tree.ts";
import { type Position, positionOf, type TimeRange } from "../../model/waterfall.ts";
import { isError, statusCode } from "../../model/zipkin.ts";

/** A row's height in pixels; the virtual list depends on it. */
export const ROW_HEIGHT = 30;

/** Deeper names are not indented further. */
const MAX_INDENT = 24;

interface Props {
  node: SpanNode;
  index: number;
  count: number;
  range: TimeRange;
  critical: readonly Section[];
  isSelected: boolean;
  isCollapsed: boolean;
  onSelect: () => void;
  onToggle: () => void;
}

/** One span: its indented name and its bar. */
export function Row(props: Props) {
  const { node, index, count, isSelected, isCollapsed, onSelect, onToggle } = props;
  const { span } = node;
  const failed = isError(span);
  const hasChildren = node.children.length > 0;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles keys, with aria-activedescendant
    // biome-ignore lint/a11y/useFocusableInteractive: a tree with aria-activedescendant has the focus itself
    <div
      role="treeitem"
      id={rowId(node.key)}
      class={`row${isSelected ? " selected" : ""}${failed ? " failed" : ""}`}
      style={{ top: `${index * ROW_HEIGHT}px` }}
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
          {anomalyOf(node) && (
            <span class="anomaly" role="img" aria-label={anomalyOf(node)}>
              ⚠{" "}
            </span>
          )}
          {isCollapsed && node.failedBelow && !failed && <span class="trouble">✕ inside </span>}
          <bdi class="service">{span.service || "?"}</bdi> <bdi class="quiet">{operationOf(node)}</bdi>
        </span>
      </div>
      <Bars {...props} />
    </div>
  );
}

export function rowId(key: string): string {
  return `span-${key.replace(/[^a-z0-9]/gi, "-")}`;
}

function Bars({ node, range, critical }: Props) {
  const { span, queueWait } = node;
  const place = positionOf(node.start, node.end, range);
  const wait = queueWait && positionOf(queueWait.from, queueWait.to, range);
  const length = duration(span.duration === undefined ? undefined : span.duration / 1000);
  const code = statusCode(span);
  const label = isError(span) && code ? `${length} · ${codeName(code)}` : length;
  return (
    <div class="bars">
      {wait && queueWait && (
        <span class="wait" style={styleOf(wait)}>
          <span>{duration((queueWait.to - queueWait.from) / 1000)} queue wait</span>
        </span>
      )}
      {place && <span class={`bar ${(span.kind ?? "local").toLowerCase()}`} style={styleOf(place)} />}
      {critical.map(({ from, to }) => {
        const part = positionOf(from, to, range);
        return part && <span key={from} class="critical" style={styleOf(part)} />;
      })}
      {place && (
        <span class="length" style={{ left: `${place.left + place.width}%` }}>
          {label}
        </span>
      )}
    </div>
  );
}

function styleOf({ left, width }: Position) {
  return { left: `${left}%`, width: `${width}%` };
}

/** For example `Greeting → service-b`. */
function operationOf({ span }: SpanNode): string {
  const name =
    span.name.includes("/") && !span.name.includes(" ")
      ? span.name.slice(span.name.lastIndexOf("/") + 1)
      : span.name;
  return span.remoteService && span.kind === "CLIENT" ? `${name} → ${span.remoteService}` : name;
}

/** A warning about a span; empty without one. */
function anomalyOf({ parentMissing, skew }: SpanNode): string {
  if (parentMissing) return "parent span missing:";
  return skew > 0 ? "starts before its parent:" : "";
}
