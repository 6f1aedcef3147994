import { useSignal } from "@preact/signals";
import { parseAddress } from "../../model/address.ts";
import { api, choose, isTyped } from "../../state/api.ts";
import { useDraft } from "../shell/use-draft.ts";

/** Whom the page asks: any gateway's address, remembered by the browser. */
export function AddressForm() {
  const typed = useDraft(api.value);
  const isWrong = useSignal(false);
  const use = (event: Event) => {
    event.preventDefault();
    const address = parseAddress(typed.value);
    isWrong.value = address === undefined;
    if (address === undefined) return;
    choose(address);
    typed.value = api.value;
  };
  const forget = () => {
    choose(undefined);
    typed.value = api.value;
    isWrong.value = false;
  };
  return (
    <form class="address" onSubmit={use} noValidate>
      <label for="api">API address</label>
      <input
        id="api"
        type="url"
        inputMode="url"
        spellcheck={false}
        autocomplete="url"
        value={typed.value}
        aria-invalid={isWrong.value}
        aria-describedby={isWrong.value ? "api-wrong" : undefined}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
        }}
      />
      <button type="submit">Use</button>
      {isTyped.value && (
        <button type="button" onClick={forget}>
          Back to the page's own
        </button>
      )}
      {isWrong.value && (
        <p id="api-wrong" class="trouble" role="alert">
          <span aria-hidden="true">✕ </span>That is no gateway's address. It is http:// or https://, a host,
          perhaps a port and a path, for example https://api.example.com.
        </p>
      )}
    </form>
  );
}
