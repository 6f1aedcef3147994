/** The faults of all processes, from the gateway's `/api/faults`, and what the page sends to change them. */

import { list, number, record, text } from "./json.ts";
import type { GraphEdge, GraphNode } from "./topology.ts";

export interface Fault {
  /** The fault in its grammar. */
  fault: string;
  source: string;
  /** When it ends, in milliseconds since 1970 by this browser's clock; undefined for one that stays. */
  until: number | undefined;
  acted: number;
}

export interface FaultState {
  /** Whether this browser may set faults. */
  available: boolean;
  reason: string;
  needsToken: boolean;
  faults: Fault[];
  /** Processes that did not respond, or refused, with the reason. */
  failed: string[];
}

/** Only these are set at run time, and so can be cleared. */
const SET_HERE = "admin";

/** The effects that can act at an address, with the value that the form suggests. */
const EFFECTS: [effect: string, value: string, at: ("service" | "call" | "store" | "queue")[]][] = [
  ["abort", "UNAVAILABLE", ["service", "call", "store", "queue"]],
  ["delay", "300ms", ["service", "call", "store", "queue"]],
  ["lose", "UNAVAILABLE", ["service", "call", "store", "queue"]],
  ["drop", "true", ["service", "call", "store", "queue"]],
  ["reset", "true", ["service", "call"]],
  ["throttle", "10KiB/s", ["service", "call"]],
  ["cpu", "50ms", ["service"]],
  ["memory", "10MiB", ["service"]],
  ["stall", "1s", ["service"]],
  ["unready", "true", ["service"]],
  ["crash", "true", ["service"]],
  ["duplicate", "true", ["queue"]],
];

/** `received` is when the response arrived: the gateway's clock may differ from this browser's. */
export function parseFaults(json: unknown, received: number): FaultState | undefined {
  const body = record(json);
  const faults = list(body?.faults)?.map((fault) =>
    parseFault(fault, received - (number(body?.at) ?? received)),
  );
  if (!body || !faults?.every((fault) => fault !== undefined)) return undefined;
  const failed = (list(body.failed) ?? []).map((one) => {
    const { process, replica, reason } = record(one) ?? {};
    return `${text(process) ?? "?"}${number(replica) === undefined ? "" : `#${replica}`}: ${text(reason) ?? "?"}`;
  });
  return {
    available: body.available === true,
    reason: text(body.reason) ?? "",
    needsToken: body.needsToken === true,
    faults,
    failed,
  };
}

function parseFault(json: unknown, ahead: number): Fault | undefined {
  const body = record(json);
  const fault = text(body?.fault);
  const source = text(body?.source);
  if (!body || fault === undefined || source === undefined) return undefined;
  const until = Date.parse(text(body.until) ?? "");
  return {
    fault,
    source,
    until: Number.isNaN(until) ? undefined : until + ahead,
    acted: number(body.acted) ?? 0,
  };
}

export function canClear(fault: Fault): boolean {
  return fault.source === SET_HERE;
}

/** The address of what is selected in the graph; empty where no fault can act, such as between a queue and its consumer. */
export function addressOf(
  selected: string | undefined,
  { nodes, edges }: { nodes: GraphNode[]; edges: GraphEdge[] },
): string {
  const kindOf = (id: string) => nodes.find((node) => node.id === id)?.kind;
  const edge = edges.find(({ id }) => id === selected);
  if (!edge) return selected !== undefined && kindOf(selected) === "service" ? selected : "";
  if (edge.kind === "rpc") return `${edge.from}>${edge.to}`;
  if (edge.kind === "database") return `${edge.from}>store`;
  return kindOf(edge.from) === "service" ? `${edge.from}>queue` : "";
}

/** The effects at an address, each with the value that the form suggests. */
export function effectsAt(address: string): [effect: string, value: string][] {
  const [, target] = address.split(">");
  const kind = target === undefined ? "service" : target === "store" || target === "queue" ? target : "call";
  return EFFECTS.filter(([, , at]) => at.includes(kind)).map(([effect, value]) => [effect, value]);
}

export interface Draft {
  at: string;
  effect: string;
  value: string;
  share: string;
  seconds: number;
}

/** The fault in its grammar. */
export function faultLine({ at, effect, value, share, seconds }: Draft): string {
  const quoted = /[\s;]/.test(value) ? `"${value}"` : value;
  const part = share === "" || share === "100%" ? "" : ` share=${share}`;
  return `at=${at} ${effect}=${quoted}${part} for=${seconds}s`;
}

/** The time that is left, for example `4:59`; empty for a fault that stays. */
export function timeLeft({ until }: Fault, now: number): string {
  if (until === undefined) return "";
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const padded = String(rest).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${padded}` : `${minutes}:${padded}`;
}
