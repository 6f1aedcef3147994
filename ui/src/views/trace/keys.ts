/** What a key does in a waterfall. */

export type Move =
  | "next"
  | "previous"
  | "first"
  | "last"
  | "in"
  | "out"
  | "error"
  | "larger"
  | "smaller"
  | "whole"
  | "close";

const KEYS: Readonly<Record<string, Move>> = {
  ArrowDown: "next",
  j: "next",
  ArrowUp: "previous",
  k: "previous",
  Home: "first",
  End: "last",
  ArrowRight: "in",
  l: "in",
  ArrowLeft: "out",
  h: "out",
  e: "error",
  "+": "larger",
  "=": "larger",
  "-": "smaller",
  "0": "whole",
  Escape: "close",
};

/** Undefined for keys that mean nothing here, and for the browser's own with Ctrl, Alt or Meta. */
export function keyOf(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "altKey" | "metaKey">,
): Move | undefined {
  return event.ctrlKey || event.altKey || event.metaKey ? undefined : KEYS[event.key];
}
