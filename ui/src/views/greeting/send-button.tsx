import { count, duration } from "../../model/format.ts";
import { link } from "../../model/route.ts";
import { failed, type GreetingResult, greeting, sendGreeting } from "../../state/greeting.ts";
import { FailureBox } from "../shell/failure.tsx";

export function SendButton({ label }: { label: string }) {
  const { isSending } = greeting.value;
  return (
    // Not `disabled`, which would remove the keyboard focus; `sendGreeting` ignores a second call.
    <button type="button" class="primary" aria-disabled={isSending} onClick={() => void sendGreeting()}>
      {isSending ? "Sending…" : label}
    </button>
  );
}

export function Outcome() {
  const { result, failure } = greeting.value;
  return (
    <div class="outcome" role="status">
      {result && <Summary result={result} />}
      {failure && (
        <FailureBox failure={failure}>
          {failed.value.map((path) => (
            <p key={path.join("/")}>
              <bdi>{path.at(-1)}</bdi> failed. Path: <bdi>{path.join(" → ")}</bdi>
            </p>
          ))}
        </FailureBox>
      )}
    </div>
  );
}

function Summary({ result }: { result: GreetingResult }) {
  const { greetings, missing, took, trace } = result;
  return (
    <p class="summary">
      {count(greetings.length, "greeting")} in {duration(took)}
      {" · "}
      {trace?.recorded ? (
        <a href={link("trace", {}, trace.traceId)}>open trace</a>
      ) : (
        <NoTrace isUnsampled={trace !== undefined} />
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

/** Why a response has no link to its trace. */
function NoTrace({ isUnsampled }: { isUnsampled: boolean }) {
  const why = isUnsampled
    ? "trace not sampled"
    : "no trace: the gateway exports no traces, or CORS hides its traceresponse header";
  return <span class="quiet">{why}</span>;
}
