/** What a load run is to do. */

export interface LoadPlan {
  /** Requests under way at once. */
  users: number;
  /** Ends after this time; undefined where only the number of requests ends it. */
  seconds: number | undefined;
  /** Ends after as many. */
  requests: number | undefined;
  /** Requests a second, of all users together; undefined is as fast as they are answered. */
  rate: number | undefined;
}

interface Limit {
  name: string;
  least: number;
  most: number;
}

/** What a browser's tab bears, and what stays in its memory. */
export const LIMITS = {
  users: { name: "users", least: 1, most: 250 },
  seconds: { name: "seconds", least: 1, most: 600 },
  requests: { name: "requests", least: 1, most: 100_000 },
  rate: { name: "rate", least: 1, most: 10_000 },
} as const satisfies Record<keyof LoadPlan, Limit>;

export const DEFAULTS: Readonly<Record<keyof LoadPlan, string>> = {
  users: "25",
  seconds: "10",
  requests: "",
  rate: "",
};

/** As typed: the address's values, or else the defaults. */
export function typedPlan(query: Readonly<Record<string, string>>): Record<keyof LoadPlan, string> {
  const { users = DEFAULTS.users, rate = DEFAULTS.rate, seconds, requests = DEFAULTS.requests } = query;
  // A number of requests alone is an end, too.
  return { users, rate, requests, seconds: seconds ?? (requests === "" ? DEFAULTS.seconds : "") };
}

/** The plan, or what is wrong with it, in words. */
export function readPlan(typed: Record<keyof LoadPlan, string>): { plan: LoadPlan } | { problems: string[] } {
  const problems: string[] = [];
  const read = (key: keyof LoadPlan) => {
    const { name, least, most } = LIMITS[key];
    const text = typed[key].trim();
    if (text === "") return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    problems.push(`The ${name} must be a whole number from ${least} to ${most.toLocaleString("en")}.`);
    return undefined;
  };
  const plan = {
    users: read("users") ?? 0,
    seconds: read("seconds"),
    requests: read("requests"),
    rate: read("rate"),
  };
  if (problems.length === 0 && plan.users === 0) problems.push("Say how many users there are.");
  if (problems.length === 0 && plan.seconds === undefined && plan.requests === undefined) {
    problems.push("Say when it ends: after some seconds, some requests, or whichever comes first.");
  }
  return problems.length > 0 ? { problems } : { plan };
}
