/** Server-sent events (WHATWG HTML, section 9.2) in the text of a response. */

export interface StreamEvent {
  /** `message` unless the event names another. */
  type: string;
  data: string;
}

/** Reads events from text that arrives in pieces. Ids and retry times are ignored: nothing connects again. */
export class EventParser {
  private rest = "";

  /** The events that `text` completes. */
  push(text: string): StreamEvent[] {
    const blocks = (this.rest + text).split(/\r?\n\r?\n/);
    this.rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => {
      const lines = block.split(/\r?\n/);
      const values = (name: string) =>
        lines
          .filter((line) => line.startsWith(name))
          .map((line) => line.slice(name.length).replace(/^ /, ""));
      const data = values("data:");
      return data.length > 0 ? [{ type: values("event:")[0] ?? "message", data: data.join("\n") }] : [];
    });
  }
}
