/** A gateway's address as typed by a user. */

/** Origin and optional path prefix, without a trailing slash; undefined when the text is not an http(s) address. */
export function parseAddress(typed: string): string | undefined {
  const trimmed = typed.trim();
  const candidate = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `http://${trimmed}`;
  if (trimmed === "" || !URL.canParse(candidate)) return undefined;
  const url = new URL(candidate);
  const isPlain = url.protocol === "http:" || url.protocol === "https:";
  const hasMore = url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "";
  if (!isPlain || hasMore) return undefined;
  return url.origin + url.pathname.replace(/\/+$/, "");
}
