import { duration, inMilliseconds } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import type { SpanNode } from "../../model/trace-tree.ts";
import { isCancelled, isError, statusCode } from "../../model/zipkin.ts";
import { useEscape } from "../shell/use-escape.ts";

interface Props {
  node: SpanNode;
  color: string | undefined;
  onClose: () => void;
}

/** All data of one span. */
export function Detail({ node, color, onClose }: Props) {
  useEscape(onClose);
  const { span, queueWait } = node;
  const code = statusCode(span);
  const facts: [string, string | undefined][] = [
    ["kind", span.kind?.toLowerCase() ?? "local"],
    ["remote service", span.remoteService],
    ["start", span.timestamp === undefined ? undefined : `+ ${duration(node.start / 1000)}`],
    ["duration", duration(inMilliseconds(span.duration))],
    ["queue wait", queueWait && duration((queueWait.to - queueWait.from) / 1000)],
    ["status", code && codeName(code)],
    ["starts before its parent by", node.skew > 0 ? duration(node.skew / 1000) : undefined],
    ["span id", span.id],
    ["parent span", span.parentId && (node.parentMissing ? `${span.parentId} (missing)` : span.parentId)],
  ];
  const tags = Object.entries(span.tags).sort(([one], [other]) => (one < other ? -1 : 1));
  return (
    <aside class="panel detail" aria-label="Selected span">
      <header>
        <h2 style={{ "--service": color }}>
          <span class="swatch" aria-hidden="true" /> <bdi>{span.service || "?"}</bdi>
        </h2>
        <button type="button" class="plain" onClick={onClose} aria-label="Close panel">
          ✕
        </button>
      </header>
      <p>
        <bdi>{span.name || "unnamed"}</bdi>
      </p>
      {isError(span) && (
        <p class="trouble">
          <span aria-hidden="true">✕ </span>
          <bdi>{span.tags.error || "failed"}</bdi>
        </p>
      )}
      {isCancelled(span) && (
        <p class="left">
          <span aria-hidden="true">⊘ </span>
          Cancelled: the caller left before the end.
        </p>
      )}
      <List entries={facts} />
      {tags.length > 0 && <h3>Tags</h3>}
      <List entries={tags} />
      {span.annotations.length > 0 && <h3>Events</h3>}
      <List
        entries={span.annotations.map(({ timestamp, value }) => [
          `+ ${duration((timestamp - (span.timestamp ?? timestamp)) / 1000)}`,
          value,
        ])}
      />
    </aside>
  );
}

function List({ entries }: { entries: readonly (readonly [string, string | undefined])[] }) {
  return (
    <dl class="facts">
      {entries.map(([name, value], index) =>
        value === undefined || value === "" ? null : (
          <div key={`${index}-${name}`}>
            <dt>{name}</dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
          </div>
        ),
      )}
    </dl>
  );
}
