/** The page's log in the browser's console: off in production, unless the page's address contains `?log=debug`. */

const LEVELS = ["debug", "info", "warn", "error", "off"] as const;
export type Level = (typeof LEVELS)[number];

type Write = (level: Exclude<Level, "off">, message: string, details: readonly unknown[]) => void;

export interface Log {
  debug(message: string, ...details: unknown[]): void;
  info(message: string, ...details: unknown[]): void;
  warn(message: string, ...details: unknown[]): void;
  error(message: string, ...details: unknown[]): void;
}

/** The level in `?log=`, or else the build's default. */
export function levelOf(search: string, build: "production" | "development"): Level {
  const named = new URLSearchParams(search).get("log")?.toLowerCase();
  return LEVELS.find((level) => level === named) ?? (build === "production" ? "off" : "info");
}

export function newLog(level: Level, write: Write): Log {
  const threshold = LEVELS.indexOf(level);
  const at =
    (own: Exclude<Level, "off">) =>
    (message: string, ...details: unknown[]) => {
      if (LEVELS.indexOf(own) >= threshold) write(own, message, details);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function toConsole(level: Exclude<Level, "off">, message: string, details: readonly unknown[]): void {
  // biome-ignore lint/suspicious/noConsole: the only place that writes to the console
  console[level](`octet: ${message}`, ...details);
}

const search = typeof location === "undefined" ? "" : location.search;

export const log = newLog(levelOf(search, import.meta.env.PROD ? "production" : "development"), toConsole);
