/** The client's own log: quiet in production, and raised by `?log=debug` in the page's address. */

const LEVELS = ["debug", "info", "warn", "error", "off"] as const;
export type Level = (typeof LEVELS)[number];

type Write = (level: Exclude<Level, "off">, message: string, told: readonly unknown[]) => void;

export interface Log {
  debug(message: string, ...told: unknown[]): void;
  info(message: string, ...told: unknown[]): void;
  warn(message: string, ...told: unknown[]): void;
  error(message: string, ...told: unknown[]): void;
}

/** The level that `?log=` names, or else the build's own. */
export function levelOf(search: string, build: "production" | "development"): Level {
  const named = new URLSearchParams(search).get("log")?.toLowerCase();
  return LEVELS.find((level) => level === named) ?? (build === "production" ? "off" : "info");
}

export function newLog(level: Level, write: Write): Log {
  const from = LEVELS.indexOf(level);
  const at =
    (own: Exclude<Level, "off">) =>
    (message: string, ...told: unknown[]) => {
      if (LEVELS.indexOf(own) >= from) write(own, message, told);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function toConsole(level: Exclude<Level, "off">, message: string, told: readonly unknown[]): void {
  // biome-ignore lint/suspicious/noConsole: the one place that writes there
  console[level](`octet: ${message}`, ...told);
}

const search = typeof location === "undefined" ? "" : location.search;

export const log = newLog(levelOf(search, import.meta.env.PROD ? "production" : "development"), toConsole);
