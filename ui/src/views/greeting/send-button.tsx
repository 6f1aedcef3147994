import { count, duration } from "../../model/format.ts";
import { link } from "../../model/route.ts";
import { type Sent, send, sent } from "../../state/greeting.ts";
import { FailureBox } from "../shell/failure.tsx";

/** The one thing to do, and what came of it on one line. */
export function SendButton({ label }: { label: string }) {
  const { isUnderWay } = sent.value;
  return (
    // Not `disabled`, which would take the focus away from someone on a keyboard; `send` knows.
    <button type="button" class="primary" aria-disabled={isUnderWay} onClick={() => void send()}>
      {isUnderWay ? "Sending…" : label}
    </button>
  );
}

export function Outcome() {
  const { answered, failure, path } = sent.value;
  return (
    <div class="outcome" role="status">
      {answered && <Summary answered={answered} />}
      {failure && (
        <FailureBox failure={failure}>
          {path.length > 0 && (
            <p>
              It was <bdi>{path.at(-1)}</bdi> that failed, on the way <bdi>{path.join(" → ")}</bdi>.
            </p>
          )}
        </FailureBox>
      )}
    </div>
  );
}

function Summary({ answered }: { answered: NonNullable<Sent["answered"]> }) {
  const { greetings, missing, took, trace } = answered;
  return (
    <p class="summary">
      {count(greetings.length, "greeting")} in {duration(took)}
      {" · "}
      {trace?.recorded ? (
        <a href={link("trace", {}, trace.traceId)}>open trace</a>
      ) : (
        <NoTrace isSampledOut={trace !== undefined} />
      )}
      {missing.map(({ path, code }) => (
        <span class="trouble" key={path.join("/")}>
          {" · "}
          <span aria-hidden="true">✕ </span>
          {path.join("/")} is missing: {code}
        </span>
      ))}
    </p>
  );
}

/** Why an answer leads to no trace. */
function NoTrace({ isSampledOut }: { isSampledOut: boolean }) {
  const why = isSampledOut
    ? "its trace was not sampled"
    : "no trace: the gateway exports none, or keeps its traceresponse header from this page (CORS)";
  return <span class="quiet">{why}</span>;
}
