/** Server-sent events (WHATWG HTML, section 9.2) in the text of a response. */

export interface StreamEvent {
  /** `message` unless the event names another. */
  type: string;
  data: string;
}

/** Reads events from text that arrives in pieces. Ids and retry times are ignored: nothing connects again. */
export class EventParser {
  private rest = "";
  private type = "";
  private data: string[] = [];

  /** The events that `text` completes. */
  push(text: string): StreamEvent[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.line(line) ?? []);
  }

  private line(line: string): StreamEvent | undefined {
    if (line !== "") {
      const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === "event") this.type = value;
      if (name === "data") this.data.push(value);
      return undefined;
    }
    const event = { type: this.type || "message", data: this.data.join("\n") };
    const isEmpty = this.data.length === 0;
    this.type = "";
    this.data = [];
    return isEmpty ? undefined : event;
  }
}
