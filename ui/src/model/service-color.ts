/** Colours of services in traces. */

/** Colours in the style sheet, `--service-0` and so on. */
const COLORS = 10;

/**
 * A colour per service. Declared services have the same one in every trace, and the others follow, so that colours
 * repeat only in traces of more than ten services.
 */
export function serviceColors(
  declared: readonly string[],
  seen: readonly string[],
): ReadonlyMap<string, string> {
  const names = [...new Set([...declared, ...[...seen].sort()])];
  return new Map(names.map((name, index) => [name, `var(--service-${index % COLORS})`]));
}
