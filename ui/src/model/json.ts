/** Readers of untrusted JSON: each returns undefined for a value of another type. */

export type Json = unknown;

export function record(value: Json): Record<string, Json> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, Json>)
    : undefined;
}

export function list(value: Json): Json[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

export function text(value: Json): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** A finite number. */
export function number(value: Json): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function texts(value: Json): string[] {
  return (list(value) ?? []).filter((item) => typeof item === "string");
}
