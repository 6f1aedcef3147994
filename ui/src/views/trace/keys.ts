/** Keyboard commands of the waterfall. */

export type Command =
  | "next"
  | "previous"
  | "first"
  | "last"
  | "expand"
  | "collapse"
  | "error"
  | "find"
  | "next-match"
  | "previous-match"
  | "zoom-in"
  | "zoom-out"
  | "zoom-reset"
  | "close";

const KEYS: Readonly<Record<string, Command>> = {
  ArrowDown: "next",
  j: "next",
  ArrowUp: "previous",
  k: "previous",
  Home: "first",
  End: "last",
  ArrowRight: "expand",
  l: "expand",
  ArrowLeft: "collapse",
  h: "collapse",
  e: "error",
  "/": "find",
  n: "next-match",
  N: "previous-match",
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  "0": "zoom-reset",
  Escape: "close",
};

/** Undefined for other keys, and for the browser's shortcuts with Ctrl, Alt or Meta. */
export function commandOf(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "altKey" | "metaKey">,
): Command | undefined {
  return event.ctrlKey || event.altKey || event.metaKey ? undefined : KEYS[event.key];
}
