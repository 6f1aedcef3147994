import type { Failure } from "../../client/failure.ts";
import { link } from "../../model/route.ts";

/** A failure: message and cause first, then the details. */
export function FailureBox({ failure, children }: { failure: Failure; children?: preact.ComponentChildren }) {
  const { status, cause, code, detail, requestId, traceId } = failure.details;
  const rows = { URL: failure.url, status, "gRPC code": code, message: detail, "request id": requestId };
  return (
    <div class="failure">
      <p class="headline">
        <span aria-hidden="true">✕ </span>
        {failure.message}
      </p>
      <p>{cause}</p>
      {children}
      {traceId !== undefined && (
        <p>
          <a href={link("trace", {}, traceId)}>open trace</a>
        </p>
      )}
      <dl class="facts">
        {Object.entries(rows).map(([label, value]) =>
          value === undefined ? null : (
            <div key={label}>
              <dt>{label}</dt>
              <dd>
                <bdi>{value}</bdi>
              </dd>
            </div>
          ),
        )}
      </dl>
    </div>
  );
}

/** One line, for when older data is still shown. */
export function StaleNote({ failure, age }: { failure: Failure; age: string }) {
  return (
    <p class="stale" role="status">
      <span aria-hidden="true">✕ </span>
      {failure.message}. Showing data from {age}. <span class="quiet">{failure.details.cause}</span>
    </p>
  );
}
