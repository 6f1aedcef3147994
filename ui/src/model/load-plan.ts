/** The parameters of a load run. */

export interface LoadPlan {
  /** Concurrent requests. */
  users: number;
  /** Duration; undefined when only the number of requests ends the run. */
  seconds: number | undefined;
  /** Total number of requests. */
  requests: number | undefined;
  /** Requests per second of all users together; undefined for no limit. */
  rate: number | undefined;
}

export type LoadLimits = Readonly<Record<keyof LoadPlan, { min: number; max: number }>>;

const NAMES: Readonly<Record<keyof LoadPlan, string>> = {
  users: "Users",
  seconds: "Seconds",
  requests: "Requests",
  rate: "Rate",
};

/**
 * What a browser tab can send, and keep in memory. A browser has about six connections to a host: two are left for the
 * page's own requests.
 */
export const TAB_LIMITS: LoadLimits = {
  users: { min: 1, max: 4 },
  seconds: { min: 1, max: 600 },
  requests: { min: 1, max: 100_000 },
  rate: { min: 1, max: 10_000 },
};

const DEFAULTS: Readonly<Record<keyof LoadPlan, string>> = {
  users: "25",
  seconds: "10",
  requests: "",
  rate: "",
};

/** The form's values: from the URL, or else the defaults within `limits`. */
export function planInput(
  query: Readonly<Record<string, string>>,
  limits: LoadLimits,
): Record<keyof LoadPlan, string> {
  const defaultUsers = String(Math.min(Number(DEFAULTS.users), limits.users.max));
  const { users = defaultUsers, rate = DEFAULTS.rate, seconds, requests = DEFAULTS.requests } = query;
  // A number of requests is enough to end the run.
  return { users, rate, requests, seconds: seconds ?? (requests === "" ? DEFAULTS.seconds : "") };
}

/** The plan, or error messages. */
export function readPlan(
  typed: Record<keyof LoadPlan, string>,
  limits: LoadLimits,
): { plan: LoadPlan } | { problems: string[] } {
  const problems: string[] = [];
  const read = (key: keyof LoadPlan) => {
    const { min, max } = limits[key];
    const text = typed[key].trim();
    if (text === "") return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    problems.push(`${NAMES[key]} must be a whole number from ${min} to ${max.toLocaleString("en")}.`);
    return undefined;
  };
  const plan = {
    users: read("users") ?? 0,
    seconds: read("seconds"),
    requests: read("requests"),
    rate: read("rate"),
  };
  if (problems.length === 0 && plan.users === 0) problems.push("Enter the number of users.");
  if (problems.length === 0 && plan.seconds === undefined && plan.requests === undefined) {
    problems.push("Enter seconds, requests or both: the run ends at whichever comes first.");
  }
  return problems.length > 0 ? { problems } : { plan };
}
