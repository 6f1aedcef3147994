import { useSignal } from "@preact/signals";
import { pastedTraceId } from "../../model/ids.ts";
import { link } from "../../model/route.ts";
import { parseSpans, parseTraces } from "../../model/zipkin.ts";
import { open } from "../../state/traces.ts";

/** Bytes of the largest file that is read. */
const LARGEST_FILE = 64 * 1024 * 1024;

/** The ways to a trace that is not in the list: its id, pasted, and a file. */
export function Opener() {
  const problem = useSignal("");
  const pasted = (text: string) => {
    const id = pastedTraceId(text);
    problem.value =
      id || text.trim() === "" ? "" : "There is no trace id in that: it has 32 (or 16) hexadecimal digits.";
    if (id) location.hash = link("trace", {}, id);
  };
  const chosen = async (file: File | undefined) => {
    if (!file) return;
    problem.value = await read(file);
  };
  return (
    <form
      class="opener"
      aria-label="Open a trace"
      onSubmit={(event) => {
        event.preventDefault();
        pasted(new FormData(event.currentTarget).get("id")?.toString() ?? "");
      }}
    >
      <label>
        open
        <input
          name="id"
          placeholder="paste a trace id, traceparent or link"
          spellcheck={false}
          autocomplete="off"
          onPaste={(event) => {
            const text = event.clipboardData?.getData("text") ?? "";
            if (pastedTraceId(text)) pasted(text);
          }}
        />
      </label>
      <button type="submit">Open</button>
      <label class="file">
        or a file
        <input
          type="file"
          accept=".json,application/json"
          onChange={(event) => void chosen(event.currentTarget.files?.[0])}
        />
      </label>
      {problem.value && (
        <p class="trouble" role="alert">
          <span aria-hidden="true">✕ </span>
          {problem.value}
        </p>
      )}
    </form>
  );
}

/** Opens the trace that a file holds: a list of spans, or a list of traces whose first is shown. Answers what is wrong. */
async function read(file: File): Promise<string> {
  if (file.size > LARGEST_FILE) return `${file.name} is larger than 64 MiB.`;
  try {
    const json: unknown = JSON.parse(await file.text());
    const spans = parseSpans(json) ?? parseTraces(json)?.[0];
    if (!spans) return `${file.name} holds no Zipkin v2 spans.`;
    open(spans);
    return "";
  } catch {
    return `${file.name} is not JSON.`;
  }
}
