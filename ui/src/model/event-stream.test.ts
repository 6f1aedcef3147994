import { expect, test } from "vitest";
import { EventParser } from "./event-stream.ts";

test("events are read whatever the pieces and the line breaks", () => {
  const text =
    ': comment\ndata: {"a":1}\n\nevent: end\r\ndata:x\r\ndata: y\r\nid: 7\r\n\r\nevent: empty\n\nrest';
  const expected = [
    { type: "message", data: '{"a":1}' },
    { type: "end", data: "x\ny" },
  ];
  for (let size = 1; size <= text.length; size++) {
    const parser = new EventParser();
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
      text.slice(at * size, (at + 1) * size),
    );
    expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(expected);
  }
});
