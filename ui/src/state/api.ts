/** Which gateway is asked: what the user typed last, or else what the page's gateway says, or else that gateway. */

import { computed, signal } from "@preact/signals";
import { log } from "../client/log.ts";
import { parseAddress } from "../model/address.ts";
import { record, text } from "../model/json.ts";

const KEY = "octet.api";

/** Not in the page's address: a link from somebody else must not choose whom this page asks. */
const typed = signal(parseAddress(remembered() ?? ""));
const preset = signal<string | undefined>(undefined);

/** Where the page's own gateway says that the API is. */
const own = computed(() => preset.value ?? location.origin);

/** The address to put before paths; never ends in a slash. */
export const api = computed(() => typed.value ?? own.value);

/** Whether the user chose another one than the gateway does. */
export const isTyped = computed(() => typed.value !== undefined);

/** Asks the page's own gateway where the API is. Called once, before anything else is asked. */
export async function loadPreset(): Promise<void> {
  try {
    const response = await fetch("/ui-config.json", { signal: AbortSignal.timeout(3_000) });
    const url = text(record(await response.json())?.apiUrl);
    preset.value = url === undefined ? undefined : parseAddress(url);
  } catch (error) {
    log.info("no /ui-config.json", error);
  }
}

/** Asks there from now on; undefined is the gateway's own choice, as is its address. */
export function choose(address: string | undefined): void {
  typed.value = address === own.value ? undefined : address;
  try {
    if (typed.value === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, typed.value);
  } catch (error) {
    log.warn("the address cannot be remembered", error);
  }
}

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    // A browser may refuse storage.
    return null;
  }
}
