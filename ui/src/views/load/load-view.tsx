import { age, count, duration, percent } from "../../model/format.ts";
import { type Example, type LoadReport, secondsToCsv, toCsv } from "../../model/load-report.ts";
import { isActive } from "../../model/load-runs.ts";
import type { Summary } from "../../model/percentiles.ts";
import { link } from "../../model/route.ts";
import { commandFailure, isGatewayRun, limits, type Run, run, runs } from "../../state/load.ts";
import { now } from "../../state/mesh.ts";
import { FailureBox, StaleNote } from "../shell/failure.tsx";
import { ScrollRegion } from "../shell/scroll-region.tsx";
import { HistogramChart, LatencyChart, RateChart } from "./charts.tsx";
import { LoadForm } from "./load-form.tsx";

export function LoadView() {
  const current = run.value;
  const { data, failure, at } = runs.value;
  return (
    <div class="load-view">
      <h1>Load</h1>
      <LoadForm />
      <Source />
      {commandFailure.value && <FailureBox failure={commandFailure.value} />}
      {failure && data && <StaleNote failure={failure} age={age(now.value - (at ?? now.value))} />}
      {current ? (
        <Result run={current} />
      ) : (
        <p class="empty">No results yet. Start sends GET /api/greeting.</p>
      )}
    </div>
  );
}

/** Who sends the requests, and what that means for the results. */
function Source() {
  if (isGatewayRun.value === undefined) return <p class="note quiet">Asking the gateway for its load run…</p>;
  if (isGatewayRun.value) {
    return (
      <p class="note quiet">
        The gateway’s host sends the requests (octet load): one run at a time, which everybody sees here. It
        continues when this page is closed. A request without a response counts as a timeout after 15 s.
        {" With a rate, a duration counts from the time a request was due."}
      </p>
    );
  }
  return (
    <p class="note quiet">
      This page sends the requests, over at most {limits.value.users.max} of the browser’s connections
      {runs.value.data?.reason === undefined ? "" : `: ${runs.value.data.reason}`}. It gives up on a request
      after 15 s. Durations are from sending a request to the first byte of its response; the wait for a
      connection is shown separately. For more load use octet load on the command line.
    </p>
  );
}

function Result({ run }: { run: Run }) {
  const { report, elapsed } = run;
  return (
    <section aria-label="Results">
      <Progress run={run} />
      {run.failure !== undefined && (
        <p class="warning">
          <span aria-hidden="true">✕ </span>
          {run.failure}
        </p>
      )}
      {report && report.seconds.length > 0 && (
        <>
          <div class="metrics-row">
            <Big name="requests/s" value={report.perSecond.toFixed(report.perSecond < 10 ? 1 : 0)} />
            <Big name="p50" value={duration(report.latency?.p50)} />
            <Big name="p99" value={duration(report.latency?.p99)} />
            <Big
              name="failed"
              value={report.failed === 0 ? "none" : `✕ ${percent(report.failed, report.count)}`}
              isError={report.failed > 0}
            />
          </div>
          {run.unsent > 0 && (
            <p class="warning">
              ⚠ {count(run.unsent, "request")} of this rate could not be sent: all users were waiting for
              responses.
            </p>
          )}
          {report.includesWait && !isActive(run.state) && (
            <p class="warning">
              ⚠ Some durations include the wait for a connection: the browser has no timing for these
              requests. A gateway at another origin must send Timing-Allow-Origin.
            </p>
          )}
          <div class="charts">
            <figure>
              <figcaption>Requests per second: succeeded, and failed in red</figcaption>
              <RateChart seconds={report.seconds} length={elapsed / 1000} />
            </figure>
            <figure>
              <figcaption>Duration of all requests (log scale); a gap: no answer</figcaption>
              <LatencyChart seconds={report.seconds} length={elapsed / 1000} />
            </figure>
            {report.bins.length > 0 && (
              <figure>
                <figcaption>Successful requests by duration (logarithmic scale)</figcaption>
                <HistogramChart bins={report.bins} />
              </figure>
            )}
          </div>
          <div class="tables">
            <ScrollRegion label="Durations">
              <Percentiles report={report} />
            </ScrollRegion>
            <ScrollRegion label="Outcomes">
              <Outcomes report={report} />
            </ScrollRegion>
            {report.failures.length > 0 && (
              <ScrollRegion label="Failed requests">
                <Examples
                  caption="Failed requests: the first and the last"
                  examples={report.failures}
                  withOutcome
                />
              </ScrollRegion>
            )}
            {report.slowest.length > 0 && (
              <ScrollRegion label="Slowest requests">
                <Examples caption="Slowest successful requests" examples={report.slowest} />
              </ScrollRegion>
            )}
          </div>
          {!isActive(run.state) && <Export run={run} report={report} />}
        </>
      )}
    </section>
  );
}

const STATES = {
  running: "Running",
  stopping: "Stopping, waiting for the last responses",
  done: "Done",
  stopped: "Stopped",
  failed: "Failed",
};

function Progress({ run }: { run: Run }) {
  const { state, plan, elapsed, report } = run;
  const requests = report?.count ?? 0;
  const shares = [
    plan.seconds === undefined ? 0 : elapsed / (plan.seconds * 1000),
    plan.requests === undefined ? 0 : requests / plan.requests,
  ];
  const share = state === "done" ? 1 : Math.min(Math.max(...shares), 1);
  return (
    <div class="progress">
      <progress value={share} aria-label="Progress" />
      {/* Announced only at the end: a screen reader would never finish otherwise. */}
      <p role={isActive(state) ? undefined : "status"}>
        {STATES[state]}: {count(requests, "request")} in {duration(elapsed)}, {count(plan.users, "user")}
        {plan.rate !== undefined && `, limit ${plan.rate}/s`}
      </p>
    </div>
  );
}

function Big({ name, value, isError }: { name: string; value: string; isError?: boolean }) {
  return (
    <p class={`big${isError ? " trouble" : ""}`}>
      <span class="quiet">{name}</span> <strong>{value}</strong>
    </p>
  );
}

const STATISTICS: readonly { name: string; of: keyof Summary }[] = [
  { name: "min", of: "min" },
  { name: "mean", of: "mean" },
  { name: "p50", of: "p50" },
  { name: "p90", of: "p90" },
  { name: "p95", of: "p95" },
  { name: "p99", of: "p99" },
  { name: "max", of: "max" },
];

function Percentiles({ report }: { report: LoadReport }) {
  const { latency, all, waited } = report;
  return (
    <table>
      <caption>Durations</caption>
      <thead>
        <tr>
          <th scope="col">statistic</th>
          <th scope="col" class="number">
            succeeded
          </th>
          <th scope="col" class="number">
            all
          </th>
          {waited && (
            <th scope="col" class="number">
              wait for a connection
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {STATISTICS.map(({ name, of }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number">{duration(latency?.[of])}</td>
            <td class="number">{duration(all?.[of])}</td>
            {waited && <td class="number">{duration(waited[of])}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Outcomes({ report }: { report: LoadReport }) {
  return (
    <table>
      <caption>Outcomes</caption>
      <thead>
        <tr>
          <th scope="col">outcome</th>
          <th scope="col" class="number">
            count
          </th>
        </tr>
      </thead>
      <tbody>
        {report.outcomes.map(([outcome, times]) => {
          const isSuccess = /^(HTTP )?2|^gRPC OK$/.test(outcome);
          return (
            <tr key={outcome} class={isSuccess ? undefined : "trouble"}>
              <th scope="row">
                {!isSuccess && <span aria-hidden="true">✕ </span>}
                {outcome}
              </th>
              <td class="number">{times.toLocaleString("en")}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Examples(props: { caption: string; examples: readonly Example[]; withOutcome?: boolean }) {
  return (
    <table>
      <caption>{props.caption}</caption>
      <thead>
        <tr>
          <th scope="col" class="number">
            sent at
          </th>
          <th scope="col" class="number">
            duration
          </th>
          {props.withOutcome && <th scope="col">outcome</th>}
          <th scope="col">trace</th>
        </tr>
      </thead>
      <tbody>
        {props.examples.map(({ took, traceId, at, outcome }) => (
          <tr key={`${at}-${took}-${traceId}`}>
            <td class="number">{(at / 1000).toFixed(2)} s</td>
            <td class="number">{duration(took)}</td>
            {props.withOutcome && <td>{outcome}</td>}
            <td>
              {traceId ? (
                <a href={link("trace", {}, traceId)}>
                  <code>{traceId}</code>
                </a>
              ) : (
                <span class="quiet">none</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Export({ run, report }: { run: Run; report: LoadReport }) {
  const json = () => JSON.stringify(run.toExport(), null, 1);
  const csv = () => (run.samples ? toCsv(run.samples) : secondsToCsv(report.seconds));
  return (
    <p class="export">
      <button type="button" onClick={() => save("octet-load.json", "application/json", json())}>
        Export JSON
      </button>
      <button type="button" onClick={() => save("octet-load.csv", "text/csv", csv())}>
        Export CSV
      </button>
    </p>
  );
}

function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  URL.revokeObjectURL(url);
}
