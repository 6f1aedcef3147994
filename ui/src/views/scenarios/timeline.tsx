import { duration } from "../../model/format.ts";
import { link } from "../../model/route.ts";
import {
  type Expectation,
  type Outcome,
  place,
  type Report,
  type Second,
  type Span,
  steps,
} from "../../model/scenarios.ts";

const PHASES = ["before", "during", "after"];

/** Phases, requests, faults and expectations on one clock. The words have what the bars show. */
export function Timeline({ report }: { report: Report }) {
  const { phases, seconds, expectations, lasting, elapsed } = report;
  const most = Math.max(...seconds.map(({ requests }) => requests), 1);
  const slowest = Math.max(...seconds.map(({ p99 }) => p99 ?? 0), 1);
  const shown = phases.filter(({ when }) => PHASES.includes(when));
  const isOver = report.verdict !== undefined;
  return (
    <ol
      class="timeline"
      aria-label="Timeline"
      style={{ "--now": `${place({ from: 0, until: elapsed ?? 0 }, report).width}%` }}
    >
      {shown.length > 0 && (
        <li>
          <p>{isOver ? "Phases" : "Phases as planned"}</p>
          <Track isOver={isOver}>
            {shown.map((phase) => (
              <Bar key={phase.when} span={phase} report={report} class="phase">
                {phase.when}
              </Bar>
            ))}
          </Track>
        </li>
      )}
      <li>
        <p>
          Requests that ended per second, failed ones in red <span class="quiet">· at most {most}</span>
        </p>
        <Track isOver={isOver}>
          <svg viewBox={`0 0 ${lasting / 1000} ${most}`} preserveAspectRatio="none" aria-hidden="true">
            {seconds.map((row) => (
              <Column key={row.second} row={row} most={most} />
            ))}
          </svg>
        </Track>
      </li>
      <li>
        <p>
          p99 of each second <span class="quiet">· at most {duration(slowest)}</span>
        </p>
        <Track isOver={isOver}>
          <svg viewBox={`0 0 ${lasting / 1000} ${slowest}`} preserveAspectRatio="none" aria-hidden="true">
            {seconds.map(({ second, p99 = 0 }) => (
              <rect key={second} class="p99" x={second + 0.05} width={0.9} y={slowest - p99} height={p99} />
            ))}
          </svg>
        </Track>
      </li>
      {steps(report).map(({ step, isPlanned }) => (
        <li key={`${step.kind} ${step.what} ${step.from}`}>
          <p>
            {step.kind} <bdi>{step.what}</bdi> <span class="quiet">· {when(step, isPlanned)}</span>
            {step.acted !== undefined && <span class="quiet"> · acted {step.acted} times</span>}
            {step.problems.map((problem) => (
              <span class="trouble" key={problem}>
                {" "}
                ✕ <bdi>{problem}</bdi>
              </span>
            ))}
          </p>
          <Track isOver={isOver}>
            <Bar span={step} report={report} class={isPlanned ? "planned" : "step"} />
          </Track>
        </li>
      ))}
      {expectations.map((expectation, index) => (
        <li key={`${index} ${expectation.expected}`}>
          <Words expectation={expectation} isOver={isOver} />
          <Track isOver={isOver}>
            {phases
              .filter(({ when }) => when === expectation.when)
              .map((phase) => (
                <Bar key={phase.when} span={phase} report={report} class={expectation.outcome ?? "awaited"} />
              ))}
          </Track>
        </li>
      ))}
      <li class="axis" aria-hidden="true">
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <span key={share}>{at(share * lasting)}</span>
        ))}
      </li>
    </ol>
  );
}

function Track({ isOver, children }: { isOver: boolean; children: preact.ComponentChildren }) {
  return (
    <div class={`track${isOver ? "" : " live"}`} aria-hidden="true">
      {children}
    </div>
  );
}

interface BarProps {
  span: Span;
  report: Report;
  class: string;
  children?: string;
}

function Bar({ span, report, class: name, children }: BarProps) {
  const { left, width } = place(span, report);
  return (
    <span class={`piece ${name}`} style={{ insetInlineStart: `${left}%`, width: `${width}%` }}>
      {children}
    </span>
  );
}

function Column({ row: { second, requests, failed }, most }: { row: Second; most: number }) {
  const x = second + 0.05;
  return (
    <>
      <rect class="column" x={x} width={0.9} y={most - requests} height={requests - failed} />
      <rect class="column failed" x={x} width={0.9} y={most - failed} height={failed} />
    </>
  );
}

const OUTCOMES: Record<Outcome, string> = {
  held: "✓ held",
  broken: "✕ broken",
  skipped: "– not judged",
  unjudged: "– could not be judged",
};

function Words({ expectation, isOver }: { expectation: Expectation; isOver: boolean }) {
  const { when, expected, outcome, measured, firstBadSecond, traces } = expectation;
  return (
    <p>
      {outcome && (
        <strong class={outcome === "broken" ? "trouble" : undefined}>{OUTCOMES[outcome]} · </strong>
      )}
      {when}: {expected}
      {!outcome && <span class="quiet"> · {isOver ? "not judged" : "judged at the end"}</span>}
      {measured !== undefined && <span class="quiet"> · {measured}</span>}
      {firstBadSecond !== undefined && <span class="quiet"> · first bad second: {firstBadSecond}</span>}
      {traces.map((id) => (
        <span key={id}>
          {" · "}
          <a href={link("trace", {}, id)}>
            trace <code>{id.slice(0, 8)}…</code>
          </a>
        </span>
      ))}
    </p>
  );
}

function when({ from, until }: Span, isPlanned: boolean): string {
  if (isPlanned) return `planned at ${at(from)}`;
  if (until === undefined) return `since ${at(from)}`;
  return at(from) === at(until) ? `at ${at(from)}` : `from ${at(from)} to ${at(until)}`;
}

/** Seconds with one decimal where there is one. */
function at(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`;
}
