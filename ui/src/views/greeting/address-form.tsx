import { useSignal } from "@preact/signals";
import { parseAddress } from "../../model/address.ts";
import { api, isCustomApi, setApi } from "../../state/api.ts";
import { useDraft } from "../shell/use-draft.ts";

/** The address of the gateway that the page calls, stored by the browser. */
export function AddressForm() {
  const typed = useDraft(api.value);
  const isInvalid = useSignal(false);
  const submit = (event: Event) => {
    event.preventDefault();
    const address = parseAddress(typed.value);
    isInvalid.value = address === undefined;
    if (address === undefined) return;
    setApi(address);
    typed.value = api.value;
  };
  const reset = () => {
    setApi(undefined);
    typed.value = api.value;
    isInvalid.value = false;
  };
  return (
    <form class="address" onSubmit={submit} noValidate>
      <label for="api">API address</label>
      <input
        id="api"
        type="url"
        inputMode="url"
        spellcheck={false}
        autocomplete="url"
        value={typed.value}
        aria-invalid={isInvalid.value}
        aria-describedby={isInvalid.value ? "api-error" : undefined}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
        }}
      />
      <button type="submit">Apply</button>
      {isCustomApi.value && (
        <button type="button" onClick={reset}>
          Reset
        </button>
      )}
      {isInvalid.value && (
        <p id="api-error" class="trouble" role="alert">
          <span aria-hidden="true">✕ </span>Invalid address. Enter http:// or https://, a host, and optionally
          a port and a path, for example https://api.example.com.
        </p>
      )}
    </form>
  );
}
