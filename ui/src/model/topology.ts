/** The topology from `/api/topology`, and its graph. */

import { list, record, text, texts } from "./json.ts";

export interface Service {
  name: string;
  greeting: string;
  calls: string[];
  /** `database.collection`, as in spans. */
  store: string | undefined;
  publishes: string | undefined;
  consumes: string | undefined;
}

export interface Topology {
  entry: string;
  /** The services in a response, in its order. */
  order: string[];
  services: Service[];
}

export type NodeKind = "gateway" | "service" | "queue" | "database";
export type EdgeKind = "rpc" | "messaging" | "database";

export interface GraphNode {
  id: string;
  kind: NodeKind;
}

export interface GraphEdge {
  id: string;
  from: string;
  to: string;
  kind: EdgeKind;
}

export interface Graph {
  nodes: GraphNode[];
  edges: GraphEdge[];
}

/** The gateway's name in spans. */
export const GATEWAY = "gateway";

export function parseTopology(json: unknown): Topology | undefined {
  const body = record(json);
  const entry = text(body?.entry);
  const services = list(body?.services)?.map(parseService);
  if (!body || !entry || !services?.every((service) => service !== undefined)) return undefined;
  return { entry, order: texts(body.order), services };
}

function parseService(json: unknown): Service | undefined {
  const body = record(json);
  const name = text(body?.name);
  if (!body || !name) return undefined;
  const store = record(body.store);
  return {
    name,
    greeting: text(body.greeting) ?? "",
    calls: texts(body.calls),
    store: store ? `${text(store.database) ?? "?"}.${text(store.collection) ?? "?"}` : undefined,
    publishes: text(body.publishes),
    consumes: text(body.consumes),
  };
}

export function edgeId(from: string, to: string): string {
  return `${from}>${to}`;
}

/** Gateway, services, queues and databases as nodes, in the order of declaration. */
export function toGraph(topology: Topology): Graph {
  const nodes = new Map<string, GraphNode>([[GATEWAY, { id: GATEWAY, kind: "gateway" }]]);
  const edges = new Map<string, GraphEdge>();
  const node = (id: string, kind: NodeKind) => {
    if (!nodes.has(id)) nodes.set(id, { id, kind });
  };
  const edge = (from: string, to: string, kind: EdgeKind) => {
    const id = edgeId(from, to);
    edges.set(id, { id, from, to, kind });
  };

  for (const service of topology.services) node(service.name, "service");
  edge(GATEWAY, topology.entry, "rpc");
  for (const { name, calls, store, publishes, consumes } of topology.services) {
    for (const called of calls) edge(name, called, "rpc");
    if (store) {
      node(store, "database");
      edge(name, store, "database");
    }
    if (publishes) {
      node(publishes, "queue");
      edge(name, publishes, "messaging");
    }
    if (consumes) {
      node(consumes, "queue");
      edge(consumes, name, "messaging");
    }
  }
  const known = [...edges.values()].filter(({ from, to }) => nodes.has(from) && nodes.has(to));
  return { nodes: [...nodes.values()], edges: known };
}

/** What a service does, for example `calls service-b and stores in service-a.greetings`. */
export function roleText(service: Service | undefined): string {
  if (!service) return "";
  const parts = [
    service.consumes && `consumes ${service.consumes}`,
    service.calls.length > 0 && `calls ${service.calls.join(", ")}`,
    service.store && `stores in ${service.store}`,
    service.publishes && `publishes ${service.publishes}`,
  ];
  return parts.filter((part) => typeof part === "string").join(" and ");
}
