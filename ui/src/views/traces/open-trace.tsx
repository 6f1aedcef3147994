import { useSignal } from "@preact/signals";
import { pastedTraceId } from "../../model/ids.ts";
import { link } from "../../model/route.ts";
import { parseSpans, parseTraces } from "../../model/zipkin.ts";
import { openFile } from "../../state/traces.ts";

/** Bytes. */
const MAX_FILE_SIZE = 64 * 1024 * 1024;

/** Opens a trace that is not in the list: by its id, or from a file. */
export function OpenTrace() {
  const error = useSignal("");
  const openId = (text: string) => {
    const id = pastedTraceId(text);
    error.value = id || text.trim() === "" ? "" : "No trace id found: it has 32 or 16 hexadecimal digits.";
    if (id) location.hash = link("trace", {}, id);
  };
  const chosen = async (file: File | undefined) => {
    if (!file) return;
    error.value = await read(file);
  };
  return (
    <form
      class="open-trace"
      aria-label="Open a trace"
      onSubmit={(event) => {
        event.preventDefault();
        openId(new FormData(event.currentTarget).get("id")?.toString() ?? "");
      }}
    >
      <label>
        open trace
        <input
          name="id"
          placeholder="paste a trace id, traceparent or link"
          spellcheck={false}
          autocomplete="off"
          onPaste={(event) => {
            const text = event.clipboardData?.getData("text") ?? "";
            if (pastedTraceId(text)) openId(text);
          }}
        />
      </label>
      <button type="submit">Open</button>
      <label class="file">
        or open a file
        <input
          type="file"
          accept=".json,application/json"
          onChange={(event) => void chosen(event.currentTarget.files?.[0])}
        />
      </label>
      {error.value && (
        <p class="trouble" role="alert">
          <span aria-hidden="true">✕ </span>
          {error.value}
        </p>
      )}
    </form>
  );
}

/** Opens the trace in a file: a list of spans, or the first of a list of traces. Returns an error message, or an empty string. */
async function read(file: File): Promise<string> {
  if (file.size > MAX_FILE_SIZE) return `${file.name} exceeds the limit of 64 MiB.`;
  try {
    const json: unknown = JSON.parse(await file.text());
    const spans = parseSpans(json) ?? parseTraces(json)?.[0];
    if (!spans) return `${file.name} contains no Zipkin v2 spans.`;
    openFile(spans);
    return "";
  } catch {
    return `${file.name} is not JSON.`;
  }
}
