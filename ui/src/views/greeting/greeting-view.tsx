import { duration } from "../../model/format.ts";
import type { Greeting } from "../../model/greeting.ts";
import { zonedMoment } from "../../model/time.ts";
import { roleText, type Service } from "../../model/topology.ts";
import { type DeliveryState, delivery } from "../../state/delivery.ts";
import { failed, greeting } from "../../state/greeting.ts";
import { topology } from "../../state/mesh.ts";
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

/** A card per service in the declared order, grey without a greeting; greetings of other services follow. */
function Cards() {
  const { arrived, result, isSending, failure } = greeting.value;
  const declared = topology.value.data;
  const order = declared?.order ?? [];
  const services = new Map(declared?.services.map((service) => [service.name, service]));
  const failures = new Map(result?.missing.map(({ path, code }) => [path.at(-1), code]));
  for (const path of failed.value) failures.set(path.at(-1), failure?.details.code ?? "failed");

  const remaining = [...arrived];
  const placed = order.map((name) => {
    const at = remaining.findIndex((greeting) => greeting.service === name);
    return { name, greeting: at < 0 ? undefined : remaining.splice(at, 1)[0] };
  });
  const rest = remaining.map((greeting) => ({ name: greeting.service, greeting }));
  const consumer = declared?.services.find((service) => service.consumes !== undefined);
  return (
    <ol class="cards" aria-busy={isSending} aria-label="Greetings in the declared order">
      {[...placed, ...rest].map(({ name, greeting }, index) => (
        <Card
          key={`${index}-${name}`}
          name={name}
          greeting={greeting}
          service={services.get(name)}
          failure={failures.get(name)}
        />
      ))}
      {consumer && <QueueCard consumer={consumer} state={delivery.value} />}
    </ol>
  );
}

interface CardProps {
  name: string;
  greeting: Greeting | undefined;
  service: Service | undefined;
  failure: string | undefined;
}

function Card({ name, greeting, service, failure }: CardProps) {
  const state = failure ? "failed" : greeting ? "answered" : "waiting";
  return (
    <li class={`card ${state}`}>
      <h2>
        <bdi>{name}</bdi>
        {failure && (
          <span class="trouble">
            <span aria-hidden="true">✕ </span>
            {failure}
          </span>
        )}
      </h2>
      <p class="message">
        <bdi>{greeting?.message ?? service?.greeting ?? ""}</bdi>
      </p>
      <p class="quiet role">{roleText(service)}</p>
      <Fields
        fields={{
          id: greeting?.id,
          created: greeting && createdText(greeting.created),
          hostname: greeting?.hostname,
        }}
      />
    </li>
  );
}

/** In the time zone of all other times on the page; unchanged when it is not a time. */
function createdText(created: string): string {
  const time = Date.parse(created);
  return Number.isNaN(time) ? created : zonedMoment(time, Date.now());
}

/** The consumer, which is not part of the response. */
function QueueCard({ consumer, state }: { consumer: Service; state: DeliveryState }) {
  const delivered = state.state === "delivered" ? state.delivery : undefined;
  const isFailed = delivered?.error !== undefined;
  return (
    <li class={`card by-queue ${isFailed ? "failed" : delivered ? "answered" : "waiting"}`}>
      <h2>
        <bdi>{consumer.name}</bdi>
        <span class={isFailed ? "trouble" : "quiet"}>
          {isFailed ? "✕ not stored" : `${delivered ? "delivered " : ""}by queue`}
        </span>
      </h2>
      <p class="message">
        <bdi>{consumer.greeting}</bdi>
      </p>
      <p class="quiet role" role="status">
        {deliveryText(state, consumer)}
      </p>
      <Fields
        fields={{
          id: delivered?.messageId,
          queue: delivered?.queue ?? consumer.consumes,
          "queue wait": delivered && duration(delivered.wait),
          stored: delivered?.store ?? delivered?.error,
        }}
      />
    </li>
  );
}

function deliveryText(state: DeliveryState, consumer: Service): string {
  switch (state.state) {
    case "none":
      return `${roleText(consumer)}; not part of the response`;
    case "waiting":
      return "Waiting for its spans in the trace…";
    case "delivered":
      return `Processed in ${duration(state.delivery.took)}`;
    case "unknown":
      return state.why;
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
