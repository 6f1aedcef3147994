import type { Failure } from "../../client/failure.ts";

/** What went wrong, in words first and in figures below. */
export function FailureBox({ failure, children }: { failure: Failure; children?: preact.ComponentChildren }) {
  const { status, cause, code, detail, requestId } = failure.told;
  const facts = { url: failure.url, status, grpc: code, message: detail, request: requestId };
  return (
    <div class="failure">
      <p class="headline">
        <span aria-hidden="true">✕ </span>
        {failure.message}
      </p>
      <p>{cause}</p>
      {children}
      <dl class="facts">
        {Object.entries(facts).map(([label, value]) =>
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

/** The same on one line, where older data stay. */
export function StaleNote({ failure, age }: { failure: Failure; age: string }) {
  return (
    <p class="stale" role="status">
      <span aria-hidden="true">✕ </span>
      {failure.message}; what is shown is from {age}. <span class="quiet">{failure.told.cause}</span>
    </p>
  );
}
