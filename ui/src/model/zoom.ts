/** The scale of the graph: chosen, or fitted to its frame. */

/** As stored in the URL: `fit`, a number, or nothing for the default. */
export type Zoom = "fit" | number | undefined;

export const MIN_SCALE = 0.1;
export const MAX_SCALE = 3;

/** Below this scale the labels are hard to read. */
export const LEGIBLE_SCALE = 0.7;

/** The factor of one press of a zoom button. */
export const STEP = 1.25;

export interface Size {
  width: number;
  height: number;
}

export function readZoom(text: string | undefined): Zoom {
  if (text === "fit") return "fit";
  const value = Number(text);
  return text !== undefined && text !== "" && Number.isFinite(value) ? limited(value) : undefined;
}

export function formatZoom(zoom: Zoom): string | undefined {
  return typeof zoom === "number" ? String(zoom) : zoom;
}

/** Within the limits, in hundredths. */
export function limited(scale: number): number {
  return Math.round(Math.min(Math.max(scale, MIN_SCALE), MAX_SCALE) * 100) / 100;
}

/** The scale at which all of the graph is visible. */
export function fitScale(graph: Size, frame: Size): number {
  return Math.min(frame.width / graph.width, frame.height / graph.height, MAX_SCALE);
}

/** The default fits the graph, unless its labels would be illegible: then the frame scrolls. */
export function scaleOf(zoom: Zoom, graph: Size, frame: Size): number {
  if (typeof zoom === "number") return zoom;
  const fit = fitScale(graph, frame);
  return zoom === "fit" ? fit : Math.max(fit, LEGIBLE_SCALE);
}

/**
 * The scroll offset that keeps a point of the graph at the same place in the frame when the scale changes; a point that
 * is out of sight moves to the middle.
 */
export function anchoredScroll(
  point: number,
  scroll: number,
  frame: number,
  before: number,
  after: number,
): number {
  const offset = point * before - scroll;
  return point * after - (offset >= 0 && offset <= frame ? offset : frame / 2);
}
