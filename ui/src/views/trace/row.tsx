import type { Section } from "../../model/critical-path.ts";
import { duration } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import type { SpanNode } from "../../model/trace-tree.ts";
import { type Place, placeOf, type Window } from "../../model/waterfall.ts";
import { isError, statusCode } from "../../model/zipkin.ts";

/** Pixels of a row's height; the list counts on it. */
export const ROW_HEIGHT = 30;

/** Beyond this, names are not indented further. */
const DEEPEST = 24;

interface Props {
  node: SpanNode;
  index: number;
  count: number;
  window: Window;
  critical: readonly Section[];
  isSelected: boolean;
  isCollapsed: boolean;
  onSelect: () => void;
  onToggle: () => void;
}

/** One span: its name, indented, and its bar. */
export function Row(props: Props) {
  const { node, index, count, isSelected, isCollapsed, onSelect, onToggle } = props;
  const { span } = node;
  const failed = isError(span);
  const hasChildren = node.children.length > 0;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree itself takes the keys, and says which row is active
    // biome-ignore lint/a11y/useFocusableInteractive: as the pattern of a tree with aria-activedescendant has it
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
      <div class="name" style={{ "--depth": Math.min(node.depth, DEEPEST) }}>
        <span
          class="twisty"
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
          {oddOf(node) && (
            <span class="odd" role="img" aria-label={oddOf(node)}>
              ⚠{" "}
            </span>
          )}
          {isCollapsed && node.failedBelow && !failed && <span class="trouble">✕ below </span>}
          <bdi class="service">{span.service || "?"}</bdi> <bdi class="quiet">{shortOf(node)}</bdi>
        </span>
      </div>
      <Bars {...props} />
    </div>
  );
}

export function rowId(key: string): string {
  return `span-${key.replace(/[^a-z0-9]/gi, "-")}`;
}

function Bars({ node, window, critical }: Props) {
  const { span, queueWait } = node;
  const place = placeOf(node.start, node.end, window);
  const wait = queueWait && placeOf(queueWait.from, queueWait.to, window);
  const length = duration(span.duration === undefined ? undefined : span.duration / 1000);
  const code = statusCode(span);
  const told = isError(span) && code ? `${length} · ${codeName(code)}` : length;
  return (
    <div class="bars">
      {wait && queueWait && (
        <span class="wait" style={styleOf(wait)}>
          <span>{duration((queueWait.to - queueWait.from) / 1000)} in the queue</span>
        </span>
      )}
      {place && <span class={`bar ${(span.kind ?? "local").toLowerCase()}`} style={styleOf(place)} />}
      {critical.map(({ from, to }) => {
        const part = placeOf(from, to, window);
        return part && <span key={from} class="critical" style={styleOf(part)} />;
      })}
      {place && (
        <span class="length" style={{ left: `${place.left + place.width}%` }}>
          {told}
        </span>
      )}
    </div>
  );
}

function styleOf({ left, width }: Place) {
  return { left: `${left}%`, width: `${width}%` };
}

/** `Greeting → service-b`: what tells spans of one service apart. */
function shortOf({ span }: SpanNode): string {
  const name =
    span.name.includes("/") && !span.name.includes(" ")
      ? span.name.slice(span.name.lastIndexOf("/") + 1)
      : span.name;
  return span.remoteService && span.kind === "CLIENT" ? `${name} → ${span.remoteService}` : name;
}

/** What is odd about a span, in words; empty where nothing is. */
function oddOf({ parentMissing, skew }: SpanNode): string {
  if (parentMissing) return "what caused it is missing:";
  return skew > 0 ? "begins before what caused it:" : "";
}
