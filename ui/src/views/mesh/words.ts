/** What an edge's figures say, in the picture, in the table and aloud. */

import { duration, durations, percent, rate } from "../../model/format.ts";
import { codeName } from "../../model/grpc.ts";
import { commonestCode, type Figures, faults } from "../../model/mesh.ts";
import type { EdgeKind, GraphEdge } from "../../model/topology.ts";

export interface Lines {
  first: string;
  second: string;
}

/** The two lines of an edge's label. */
export function linesOf(figures: Figures, seconds: number): Lines {
  const { p50, p99, queueWait } = figures;
  const errors = faults(figures);
  const code = commonestCode(figures);
  const trouble = errors > 0 ? `✕ ${percent(errors, figures.count)}` : "0 %";
  const first = `${rate(figures.count, seconds)} · ${trouble}`;
  if (errors > 0 && code) return { first, second: codeName(code) };
  if (queueWait?.p50 !== undefined) return { first, second: `wait ${duration(queueWait.p50)}` };
  if (p50 === undefined) return { first, second: "" };
  return { first, second: durations(p50, p99) };
}

export const KIND_WORDS: Record<EdgeKind, string> = {
  rpc: "gRPC",
  messaging: "messages",
  database: "database",
};

/** The same as a sentence, for who does not see the picture. */
export function sentenceOf(edge: GraphEdge, figures: Figures | undefined, seconds: number): string {
  const way = `${edge.from} to ${edge.to}, ${KIND_WORDS[edge.kind]}`;
  if (!figures) return `${way}: no traffic`;
  const parts = [`${rate(figures.count, seconds)}`, errorsOf(figures)];
  if (figures.p50 !== undefined) parts.push(`p50 ${duration(figures.p50)}, p99 ${duration(figures.p99)}`);
  if (figures.queueWait?.p50 !== undefined)
    parts.push(`wait in the queue ${duration(figures.queueWait.p50)}`);
  return `${way}: ${parts.join(", ")}`;
}

/** `none`, or the share with its codes. */
export function errorsOf(figures: Figures): string {
  if (figures.errors === 0) return "no errors";
  const codes = Object.entries(figures.codes).map(([code, count]) => `${codeName(code)} × ${count}`);
  const share = percent(faults(figures), figures.count);
  return codes.length > 0 ? `${share} errors (${codes.join(", ")})` : `${share} errors`;
}
