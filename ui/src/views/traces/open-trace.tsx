import { useSignal } from "@preact/signals";
import { pastedTraceId } from "../../model/ids.ts";
import { link } from "../../model/route.ts";
import { parseTraceFile } from "../../model/trace-file.ts";
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
        or from a file
        <input
          type="file"
          accept=".json,.jsonl,application/json"
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

/** Opens the first trace in a file. Returns an error message, or an empty string. */
async function read(file: File): Promise<string> {
  if (file.size > MAX_FILE_SIZE) return `${file.name} exceeds the limit of 64 MiB.`;
  const traces = parseTraceFile(await file.text());
  if (!traces) return `${file.name} is not JSON.`;
  const [spans] = traces;
  if (!spans) return `${file.name} contains no spans in the format of Zipkin v2, OTLP or Jaeger.`;
  openFile(spans);
  return "";
}
