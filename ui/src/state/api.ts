/**
 * The gateway that the page calls: the address the user set, or else the one in `ui-config.json`, or else where the page
 * came from.
 */

import { computed, signal } from "@preact/signals";
import { log } from "../client/log.ts";
import { parseAddress } from "../model/address.ts";
import { record, text } from "../model/json.ts";

const KEY = "octet.api";

/** Not part of the page's URL: a link must not choose which server this page calls. */
const custom = signal(parseAddress(stored() ?? ""));
const configured = signal<string | undefined>(undefined);

/** The page's own directory: a proxy may serve it below a path, such as `/octet/`. */
export const HOME_URL = new URL(".", location.href).href.replace(/\/$/, "");

const defaultApi = computed(() => configured.value ?? HOME_URL);

/** The prefix of every path; never ends in a slash. */
export const api = computed(() => custom.value ?? defaultApi.value);

/** Whether the user set an address other than the default. */
export const isCustomApi = computed(() => custom.value !== undefined);

/** Reads the gateway's `UI_API_URL`. Called once, before any other request. */
export async function loadConfig(): Promise<void> {
  try {
    const response = await fetch(`${HOME_URL}/ui-config.json`, { signal: AbortSignal.timeout(3_000) });
    const url = text(record(await response.json())?.apiUrl);
    configured.value = url === undefined ? undefined : parseAddress(url);
  } catch (error) {
    log.info("no ui-config.json", error);
  }
}

/** Sets the gateway's address; undefined resets it to the default. */
export function setApi(address: string | undefined): void {
  custom.value = address === defaultApi.value ? undefined : address;
  try {
    if (custom.value === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, custom.value);
  } catch (error) {
    log.warn("the address cannot be stored", error);
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    // The browser may block storage.
    return null;
  }
}
