import {
  type Fact,
  factsOf,
  type Process,
  queueFacts,
  queueOf,
  replicasOf,
  storeFacts,
  storeOf,
} from "../../model/processes.ts";
import type { GraphNode, Topology } from "../../model/topology.ts";
import { now } from "../../state/mesh.ts";

interface Props {
  node: GraphNode;
  topology: Topology;
  processes: readonly Process[];
}

/** What the processes behind a node report about themselves. */
export function Health({ node, topology, processes }: Props) {
  if (node.kind === "queue") {
    const queue = queueOf(node.id, processes, topology);
    return queue ? <Section heading="Queue" facts={queueFacts(queue)} /> : null;
  }
  if (node.kind === "database") {
    const store = storeOf(node.id, processes, topology);
    return store ? <Section heading="Store" facts={storeFacts(store)} /> : null;
  }
  const replicas = replicasOf(processes, node.id);
  return (
    <>
      {replicas.map((process, index) => (
        <ProcessSection
          // Replicas have no other identity, and keep their order.
          key={`${node.id}-${index}`}
          process={process}
          heading={replicas.length > 1 ? `Process #${process.replica ?? index + 1}` : "Process"}
        />
      ))}
    </>
  );
}

function ProcessSection({ process, heading }: { process: Process; heading: string }) {
  return (
    <section class="health">
      <h3>{heading}</h3>
      <p class={process.state === "ready" ? undefined : "trouble"}>
        {process.state !== "ready" && <span aria-hidden="true">✕ </span>}
        {process.state}
      </p>
      {process.reasons.map((reason) => (
        <p class="trouble" key={reason}>
          <bdi>{reason}</bdi>
        </p>
      ))}
      <Facts facts={factsOf(process, now.value)} />
    </section>
  );
}

function Section({ heading, facts }: { heading: string; facts: readonly Fact[] }) {
  return (
    <section class="health">
      <h3>{heading}</h3>
      <Facts facts={facts} />
    </section>
  );
}

function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="metrics-list">
      {facts.map(({ name, value, isBad }) => (
        <div key={name} class={isBad ? "trouble" : undefined}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
