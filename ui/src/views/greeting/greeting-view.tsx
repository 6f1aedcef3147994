import { duration } from "../../model/format.ts";
import type { Greeting } from "../../model/greeting.ts";
import { roleOf, type Service } from "../../model/topology.ts";
import { sent } from "../../state/greeting.ts";
import { topology } from "../../state/mesh.ts";
import { type Queued, queued } from "../../state/queued.ts";
import { FailureBox } from "../shell/failure.tsx";
import { AddressForm } from "./address-form.tsx";
import { Outcome, SendButton } from "./send-button.tsx";

export function GreetingView() {
  const { data, failure } = topology.value;
  return (
    <div class="greeting-view">
      <h1>Greeting</h1>
      <AddressForm />
      <div class="action">
        <SendButton label="Submit" />
        <Outcome />
      </div>
      {failure && !data && <FailureBox failure={failure} />}
      <Cards />
    </div>
  );
}

/** Every service of the declared order keeps its place, grey until it has answered; greetings from others follow. */
function Cards() {
  const { answered, isUnderWay, path } = sent.value;
  const declared = topology.value.data;
  const order = declared?.order ?? [];
  const services = new Map(declared?.services.map((service) => [service.name, service]));
  const verdicts = new Map(answered?.missing.map(({ path, code }) => [path.at(-1), code]));
  if (path.length > 0) verdicts.set(path.at(-1), sent.value.failure?.told.code ?? "failed");

  const left = [...(answered?.greetings ?? [])];
  const placed = order.map((name) => {
    const at = left.findIndex((greeting) => greeting.service === name);
    return { name, greeting: at < 0 ? undefined : left.splice(at, 1)[0] };
  });
  const rest = left.map((greeting) => ({ name: greeting.service, greeting }));
  const consumer = declared?.services.find((service) => service.consumes !== undefined);
  return (
    <ol class="cards" aria-busy={isUnderWay} aria-label="Greetings, in the order of the answer">
      {[...placed, ...rest].map(({ name, greeting }, index) => (
        <Card
          key={`${index}-${name}`}
          name={name}
          greeting={greeting}
          service={services.get(name)}
          verdict={verdicts.get(name)}
        />
      ))}
      {consumer && <QueueCard consumer={consumer} queued={queued.value} />}
    </ol>
  );
}

interface CardProps {
  name: string;
  greeting: Greeting | undefined;
  service: Service | undefined;
  verdict: string | undefined;
}

function Card({ name, greeting, service, verdict }: CardProps) {
  const state = verdict ? "failed" : greeting ? "answered" : "waiting";
  return (
    <li class={`card ${state}`}>
      <h2>
        <bdi>{name}</bdi>
        {verdict && (
          <span class="trouble">
            <span aria-hidden="true">✕ </span>
            {verdict}
          </span>
        )}
      </h2>
      <p class="message">
        <bdi>{greeting?.message ?? service?.greeting ?? ""}</bdi>
      </p>
      <p class="quiet role">{roleOf(service)}</p>
      <Fields fields={{ id: greeting?.id, created: greeting?.created, hostname: greeting?.hostname }} />
    </li>
  );
}

/** The service that is not in the answer: its queue brought it the message. */
function QueueCard({ consumer, queued }: { consumer: Service; queued: Queued }) {
  const delivery = queued.state === "delivered" ? queued.delivery : undefined;
  const isFailed = delivery?.error !== undefined;
  return (
    <li class={`card by-queue ${isFailed ? "failed" : delivery ? "answered" : "waiting"}`}>
      <h2>
        <bdi>{consumer.name}</bdi>
        <span class={isFailed ? "trouble" : "quiet"}>{isFailed ? "✕ not stored" : "delivered by queue"}</span>
      </h2>
      <p class="message">
        <bdi>{consumer.greeting}</bdi>
      </p>
      <p class="quiet role" role="status">
        {wordsOf(queued, consumer)}
      </p>
      <Fields
        fields={{
          id: delivery?.messageId,
          queue: delivery?.queue ?? consumer.consumes,
          waited: delivery && duration(delivery.wait),
          stored: delivery?.store ?? delivery?.error,
        }}
      />
    </li>
  );
}

function wordsOf(queued: Queued, consumer: Service): string {
  switch (queued.state) {
    case "none":
      return `${roleOf(consumer)}; not in the answer`;
    case "waiting":
      return "on its way; looking for it in the trace…";
    case "delivered":
      return `worked on it for ${duration(queued.delivery.took)}, after the answer or beside it`;
    case "unknown":
      return queued.why;
  }
}

function Fields({ fields }: { fields: Record<string, string | undefined> }) {
  return (
    <dl class="facts">
      {Object.entries(fields).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <bdi>{value || "–"}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}
