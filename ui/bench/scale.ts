/** Data sets of the largest supported size. */

const BEGIN = 1_700_000_000_000_000;

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, "0");
}

/** A trace of Zipkin's API: a tree in which each span has up to `width` children. */
export function trace(number: number, spans: number, width: number): object[] {
  const traceId = hex(number + 1, 32);
  return Array.from({ length: spans }, (_, index) => ({
    traceId,
    id: hex(index + 1, 16),
    ...(index === 0 ? {} : { parentId: hex(Math.floor((index - 1) / width) + 1, 16) }),
    kind: index % 2 === 0 ? "SERVER" : "CLIENT",
    name: `operation-${index % 40}`,
    timestamp: BEGIN + number * 1_000_000 + index * 10,
    duration: Math.max(1, (spans - index) * 10 + ((number * 7919) % 997)),
    localEndpoint: { serviceName: `service-${index % 9}` },
    tags: {
      "rpc.grpc.status_code": "0",
      "server.port": "50051",
      ...(index % 97 === 96 ? { error: "gone" } : {}),
    },
  }));
}

/** A topology of `count` services, each with up to three upstreams, some with a store. */
export function topology(count: number): object {
  const name = (index: number) => `service-${String(index).padStart(2, "0")}`;
  const services = Array.from({ length: count }, (_, index) => ({
    name: name(index),
    greeting: `Hello from ${index}`,
    calls: [1, 2, 3]
      .map((offset) => index * 3 + offset)
      .filter((called) => called < count)
      .map(name),
    store: index % 4 === 3 ? { database: name(index), collection: "greetings" } : null,
    publishes: null,
    consumes: null,
  }));
  return { entry: name(0), order: services.map((service) => service.name), services };
}

/** Metrics for all of its edges, which change with `turn`. */
export function mesh(count: number, turn: number): object {
  const { services } = topology(count) as { services: { name: string; calls: string[] }[] };
  const edges = services.flatMap(({ name, calls }) =>
    calls.map((callee) => ({
      caller: name,
      callee,
      kind: "rpc",
      count: 100 + turn,
      errors: turn % 3,
      p50: 1.5,
      p99: 9 + turn,
    })),
  );
  return { sample: false, traces: 100, from: 0, to: 60_000, edges };
}
